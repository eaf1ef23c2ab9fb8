//! Two machines on one wire, and each on its own.

mod connections;
mod datagrams;
mod listeners;
mod machine;
mod streams;
