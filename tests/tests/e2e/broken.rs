//! A machine with something missing boots as far as it can, and says what is
//! wrong.

use anyhow::Result;
use xtask::disk::{self, Contents};
use xtask::machine::{machine, test_folder};

#[test]
fn without_herd() -> Result<()> {
    let image = test_folder().join("no-herd.img");
    let contents = Contents {
        leave_out: vec!["/bin/herd".into()],
        ..Contents::default()
    };
    disk::make(&image, &contents, &xtask::machine::test_programs()?)?;
    let mut machine = machine("no-herd").disk(&image).up()?;
    assert_eq!(machine.sh("echo still here")?, "still here\n");
    let console = machine.console().text();
    assert_eq!(
        console.matches("/bin/herd").count(),
        1,
        "one warning, not more:\n{console}"
    );
    machine.done()
}

#[test]
fn with_an_unreadable_disk() -> Result<()> {
    let image = test_folder().join("garbage.img");
    std::fs::write(&image, vec![0xa5; 8 << 20])?;
    let mut machine = machine("garbage").disk(&image).start()?;
    machine.expect("root")?;
    machine.wait_for_ssh()?;
    let console = machine.console().text();
    assert!(
        console.contains("ext4") || console.contains("filesystem"),
        "{console}"
    );
    machine.done()
}

#[test]
fn without_a_disk() -> Result<()> {
    let mut machine = machine("no-disk").no_disk().up()?;
    let console = machine.console().text();
    assert!(
        console.contains("disk") || console.contains("root"),
        "{console}"
    );
    machine.done()
}

#[test]
fn without_a_network_card() -> Result<()> {
    let mut machine = machine("no-net").no_net().start()?;
    machine.expect("net")?;
    machine.expect("httpd")?;
    machine.done()
}

#[test]
fn without_an_entropy_device() -> Result<()> {
    let mut machine = machine("no-rng")
        .with(|config| config.rng = false)
        .start()?;
    machine.expect("entropy")?;
    machine.done()
}

/// The smallest machine that lets one log in.
#[test]
fn with_eight_megabytes() -> Result<()> {
    // Each CPU more has stacks of its own, for which there is no room then.
    let machine = machine("smallest")
        .smp(1)
        .with(|config| config.mem = "8M".into())
        .up()?;
    assert!(machine.sh("uname -v")?.contains("Paddock"));
    machine.off()
}

#[test]
fn with_sixteen_megabytes() -> Result<()> {
    let machine = machine("small")
        .with(|config| config.mem = "16M".into())
        .up()?;
    assert!(machine.sh("uname -v")?.contains("Paddock"));
    assert!(machine.sh("herd status httpd")?.contains("running"));
    machine.done()
}

#[test]
fn with_another_process_1() -> Result<()> {
    let mut machine = machine("init").append("init=/bin/paddock-test").start()?;
    machine.expect("usage: paddock-test")?;
    machine.wait_for_ssh()?;
    machine.done()
}

#[test]
fn with_herd_off() -> Result<()> {
    let machine = machine("herd-off").append("herd=off").up()?;
    assert_eq!(machine.ssh("herd status")?.status.code(), Some(1));
    machine.done()
}

#[test]
fn with_a_static_address() -> Result<()> {
    let machine = machine("static").append("ip=10.0.2.15/24").up()?;
    assert_eq!(machine.sh("echo here")?, "here\n");
    machine.done()
}
