//! Helpers of the end-to-end tests. The machines themselves are described in
//! `xtask::machine`.

pub mod bomb;
pub mod http;
pub mod load;
pub mod terminal;
