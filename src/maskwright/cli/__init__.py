"""The command line: options in, a job out. One module a command; `main` lists them, `console` owns the terminal."""
