"""What the measuring tools share."""
