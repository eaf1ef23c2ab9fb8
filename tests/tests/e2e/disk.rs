//! What is written stays.

use anyhow::{Context, Result};
use std::path::Path;
use xtask::disk::{self, Contents};
use xtask::machine::{Machine, machine, ssh};
use xtask::process::{capture, tool};

fn fingerprint(machine: &mut Machine) -> String {
    ssh::fingerprint(&machine.console().text())
        .unwrap_or_default()
        .to_owned()
}

fn write_files(machine: &Machine) -> Result<String> {
    machine.sh(
        "mkdir -p /root/d && cd /root/d && for i in $(seq 1 200); do echo $i > f$i; done && \
         rm f7 && mv f8 g8 && ln g8 h8 && ln -s g8 s8 && dd if=/dev/urandom of=big bs=4096 count=500 2>/dev/null && \
         sync && cat $(ls f* g* big) | sha256sum",
    )
}

fn sum_files(machine: &Machine) -> Result<String> {
    machine.sh("cd /root/d && cat $(ls f* g* big) | sha256sum")
}

#[test]
fn files_survive_reboot_and_power_off() -> Result<()> {
    let mut machine = machine("persist").up()?;
    let key = fingerprint(&mut machine);
    assert!(!key.is_empty(), "no host key on the console");
    let sum = write_files(&machine)?;
    machine.reboot()?;
    assert_eq!(sum_files(&machine)?, sum);
    assert_eq!(fingerprint(&mut machine), key);
    machine.sh("echo more > /root/d/more")?;
    machine.power_off()?;
    machine.check_disk()?;

    machine.start_again()?;
    machine.wait_for_ssh()?;
    assert_eq!(sum_files(&machine)?, sum);
    assert_eq!(machine.sh("cat /root/d/more")?, "more\n");
    assert_eq!(fingerprint(&mut machine), key);
    machine.off()
}

#[test]
fn sync_leaves_nothing_to_mend() -> Result<()> {
    let mut machine = machine("sync").up()?;
    let sum = write_files(&machine)?;
    machine.pull_plug()?;
    machine.start_again()?;
    machine.wait_for_ssh()?;
    assert_eq!(sum_files(&machine)?, sum);
    machine.off()
}

#[test]
fn a_pulled_plug_during_writes_is_survived() -> Result<()> {
    let mut machine = machine("plug").up()?;
    let sum = write_files(&machine)?;
    for round in 0..3 {
        let mut writer = machine.ssh_command(&[])?;
        writer.arg("cd /root; i=0; while :; do i=$((i+1)); mkdir -p w$i; echo $i > w$i/a; mv w$i/a w$i/b; rm -rf w$((i-3)); done");
        let mut writer = writer.spawn()?;
        std::thread::sleep(std::time::Duration::from_millis(2500 + 700 * round));
        machine.pull_plug()?;
        writer.wait()?;
        machine.start_again()?;
        machine.wait_for_ssh()?;
        assert_eq!(sum_files(&machine)?, sum, "round {round}");
    }
    machine.off()
}

#[test]
fn every_block_size() -> Result<()> {
    let default = Contents::default().features;
    for (block_size, features) in [(1024, default), (2048, disk::DEBIAN_FEATURES)] {
        let folder = xtask::machine::test_folder();
        let image = folder.join(format!("disk-{block_size}.img"));
        let programs = xtask::machine::test_programs()?;
        disk::make(
            &image,
            &Contents {
                block_size,
                features,
                ..Contents::default()
            },
            &programs,
        )?;
        let machine = machine("blocks").disk(&image).up()?;
        write_files(&machine)?;
        machine.off()?;
    }
    Ok(())
}

/// The sector at which a block of a file begins, on a disk of 4 KiB blocks.
fn sector_of(image: &Path, file: &str, block: u32) -> Result<u64> {
    let mut debugfs = tool("debugfs")?;
    debugfs.args(["-R", &format!("bmap {file} {block}")]);
    let reply = capture(debugfs.arg(image))?;
    let found = String::from_utf8_lossy(&reply.stdout);
    let block: u64 = found.trim().parse().with_context(|| found.to_string())?;
    Ok(block * 8)
}

/// Prints how each part of its work went: the bad file's reads, then fsync of both.
const WITH_BAD_SECTOR: &str = "cd /root; \
    dd if=bad of=/dev/null bs=4096 count=1 skip=8 2>&1 | grep -o 'Input/output error'; \
    dd if=bad bs=4096 skip=9 count=40 2>/dev/null | cmp - good-part && echo others read; \
    dd if=good-part of=other conv=fsync 2>/dev/null && echo other synced; \
    dd if=/dev/zero of=bad bs=4096 count=64 conv=notrunc,fsync 2>&1 | grep -o 'Input/output error'; \
    dd if=good-part of=other conv=notrunc,fsync 2>/dev/null && echo other synced again; \
    grep ' / ' /proc/mounts | grep -o ' rw'; sync && echo all synced; \
    dmesg | grep -c 'inode .* cannot write the page at byte 32768'";

#[test]
fn a_bad_sector_is_one_files_business() -> Result<()> {
    let mut machine = machine("bad-sector").up()?;
    machine.sh(
        "cd /root; dd if=/dev/urandom of=bad bs=4096 count=64 2>/dev/null; \
         dd if=bad of=good-part bs=4096 skip=9 count=40 2>/dev/null",
    )?;
    machine.power_off()?;
    let sector = sector_of(machine.disk(), "/root/bad", 8)?;
    machine.spoil_sectors(&[sector])?;
    machine.start_again()?;
    machine.wait_for_ssh()?;
    let expected = "Input/output error\nothers read\nother synced\nInput/output error\n\
                    other synced again\n rw\nall synced\n1\n";
    assert_eq!(machine.sh(WITH_BAD_SECTOR)?, expected);
    let console = machine.console().text();
    let failure = format!("vda: cannot write 8 sectors from {sector}");
    assert!(console.contains(&failure), "{console}");
    machine.off()
}

/// Reads half of memory twice; the sectors that the second time took.
const READ_AGAIN: &str = "cd /root; dd if=/dev/zero of=large bs=1M count=120 2>/dev/null; sync; \
    cat large > /dev/null; \
    sectors() { set -- $(cat /sys/block/vda/stat); echo $3; }; \
    before=$(sectors); cat large > /dev/null; echo $(( $(sectors) - before ))";

#[test]
fn a_file_of_half_of_memory_is_read_once() -> Result<()> {
    let machine = machine("read-once")
        .with(|config| config.mem = "256M".to_owned())
        .up()?;
    let sectors: u64 = machine.sh(READ_AGAIN)?.trim().parse()?;
    assert!(sectors < 2048, "{sectors} sectors were read again");
    // What the cache took is there for programs: none is killed for it.
    let reply = machine.sh(
        "dd if=/dev/zero of=/dev/shm/all bs=1M count=100 2>/dev/null; \
         wc -c < /dev/shm/all; rm /dev/shm/all; dmesg | grep -c 'out of memory'; true",
    )?;
    assert_eq!(reply, format!("{}\n0\n", 100 << 20));
    machine.done()
}
