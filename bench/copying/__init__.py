"""bench/copy: mirrorctl sync beside the programs that people copy with."""
