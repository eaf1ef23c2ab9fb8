//! The page cache.
