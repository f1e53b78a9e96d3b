"""bench/syscall_analysis: what a copy asks of the kernel, by system call and on the ring."""
