//! Many bytes, unchanged.

use anyhow::Result;
use xtask::machine::machine;

const SIZE: usize = 64 << 20;

/// Bytes without a pattern that a fault could keep.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(size / 8).flatten().collect()
}

#[test]
fn sixty_four_mebibytes_through_cat_and_back() -> Result<()> {
    let machine = machine("cat").alone().up()?;
    let sent = noise(SIZE);
    let reply = machine.ssh_with_input("cat", sent.clone())?;
    assert!(reply.status.success(), "{}", reply.errors());
    assert!(
        reply.stdout == sent,
        "{} bytes came back, or others than were sent",
        reply.stdout.len()
    );
    machine.done()
}

#[test]
fn sixty_four_mebibytes_to_a_file_and_back() -> Result<()> {
    let machine = machine("file").alone().up()?;
    let sent = noise(SIZE);
    let sum = sum_of(&sent)?;
    let written =
        machine.ssh_with_input("cat > /root/noise && sha256sum < /root/noise", sent.clone())?;
    assert!(written.status.success(), "{written}");
    assert_eq!(written.text().split_whitespace().next(), Some(sum.as_str()));
    let read = machine.ssh("cat /root/noise")?;
    assert!(
        read.stdout == sent,
        "{} bytes came back, or others than were sent",
        read.stdout.len()
    );
    machine.off()
}

fn sum_of(bytes: &[u8]) -> Result<String> {
    let mut sum = xtask::process::tool("sha256sum")?;
    let reply = xtask::machine::run_limited(&mut sum, bytes.to_vec(), xtask::machine::LIMIT)?;
    Ok(reply
        .text()
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}
