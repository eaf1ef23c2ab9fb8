//! Extended attributes (xattr(7)): no filesystem has any.

use super::Call;
use paddock_abi::{Errno, Result};

/// setxattr(2), getxattr(2), removexattr(2) and their kin: `EOPNOTSUPP`.
pub fn none(_: &mut Call<'_>) -> Result<u64> {
    Err(Errno::EOPNOTSUPP)
}
