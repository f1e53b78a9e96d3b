"""What bench/mount measures: an application at work in a mount, of two builds in turns."""
