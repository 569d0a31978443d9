//! All integration tests in one binary: it links once.

#[test]
fn has_program() { assert!(std::path::Path::new(env!("CARGO_BIN_EXE_fleet")).exists()); }
