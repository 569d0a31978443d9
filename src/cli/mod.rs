//! The program: arguments in, one request out, its reply printed.
