//! Tests, with a program that is a thread or no program at all.

mod connection;
mod hostile;
mod options;
mod program;
