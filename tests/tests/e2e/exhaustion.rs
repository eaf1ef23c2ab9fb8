//! Whatever programs take all of, the rest of the system goes on: an errno
//! for them, their memory back at their end, and the operator gets in.

use anyhow::{Context, Result};
use std::time::{Duration, Instant};
use xtask::machine::{Machine, machine, test_kernel};

/// How long a login, and a command of herd's, may take.
const OPERATOR_LIMIT: Duration = Duration::from_secs(2);

#[test]
fn an_allocation_that_fails_is_an_errno() -> Result<()> {
    let kernel = test_kernel()?;
    let machine = machine("fail-alloc").kernel(kernel).up()?;
    let reply = machine.ssh("paddock-test fail-alloc; exit $?")?;
    let text = reply.text();
    assert!(reply.status.success(), "{text}");
    let points: u64 = text
        .lines()
        .find_map(|line| line.strip_suffix(" allocations failed")?.parse().ok())
        .with_context(|| format!("no count in {text}"))?;
    assert!(points > 300, "{points} allocations are too few:\n{text}");
    assert_eq!(machine.sh("cat /proc/paddock/violations")?, "0\n");
    machine.done()
}
