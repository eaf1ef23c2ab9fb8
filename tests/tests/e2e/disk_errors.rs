//! A bad block of each kind on the root disk: what each caller sees, and what survives.
//! QEMU's blkdebug fails the requests; `docs/STORAGE.md` has the table.

use crate::ssh_settings::greeting;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::sync::Mutex;
use xtask::disk::{self, Contents};
use xtask::machine::{Failing, Machine, machine, test_folder, test_programs};
use xtask::process::{capture, tool};

/// Sectors of a block of 4 KiB.
const SECTORS: u64 = 8;

/// What who changes something is told: of the failure, or, if something else had to be
/// written first and failed, that no changes are taken since.
const CHANGES_FAIL: [&str; 2] = ["Input/output error", "Read-only file system"];

/// Files whose blocks are known, none of which the boot has touched.
const FILES: &str = "cd /root && echo kept > other && mkdir dir && echo in > dir/file && \
    dd if=/dev/urandom of=data bs=4096 count=64 2>/dev/null && \
    for i in 0 1 2 3 4 5 6 7 8 9; do \
        dd if=/dev/zero of=holes bs=4096 count=1 seek=$((i*2)) conv=notrunc 2>/dev/null; done && \
    for i in $(seq 1 40); do echo > filler$i; done && echo late > late && \
    for i in $(seq 41 60); do echo > filler$i; done && \
    cat other > /dev/null && sync && echo 3 > /proc/sys/vm/drop_caches";

/// A disk with checksums of metadata. Made once.
fn image() -> Result<PathBuf> {
    static MADE: Mutex<bool> = Mutex::new(false);
    let mut made = MADE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let image = test_folder().join("disk-checksums.img");
    if !*made {
        let contents = Contents {
            features: disk::DEBIAN_FEATURES,
            ..Contents::default()
        };
        disk::make(&image, &contents, &test_programs()?)?;
        *made = true;
    }
    Ok(image)
}

fn up(name: &str) -> Result<Machine> {
    let machine = machine(name).disk(&image()?).controlled().up()?;
    machine.sh(FILES)?;
    Ok(machine)
}

/// What debugfs says of the disk as it is now.
fn debugfs(machine: &Machine, request: &str) -> Result<String> {
    let mut debugfs = tool("debugfs")?;
    let reply = capture(debugfs.args(["-R", request]).arg(machine.disk()))?;
    Ok(String::from_utf8_lossy(&reply.stdout).into_owned())
}

/// The first number behind a word of what debugfs says, as a block.
fn block(machine: &Machine, request: &str, word: &str) -> Result<u64> {
    let said = debugfs(machine, request)?;
    let rest = said.split_once(word).with_context(|| said.clone())?.1;
    let digits: String = rest
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().with_context(|| said.clone())
}

/// Drops what is cached, does something that must fail, and says what it was told: one of
/// `told`.
fn failing(machine: &Machine, action: &str, told: &[&str]) -> Result<()> {
    let script = format!("cd /root; sync; echo 3 > /proc/sys/vm/drop_caches; {action} 2>&1");
    let reply = machine.ssh(&script)?;
    let said = reply.text();
    ensure!(
        told.iter().any(|told| said.contains(told)),
        "`{action}`: {reply}"
    );
    Ok(())
}

/// Has taken no more changes since, says so everywhere, and goes on with the rest.
fn stopped(machine: &Machine, message: &str) -> Result<()> {
    let seen = machine.sh(
        "cd /root; cat other; echo x 2>/dev/null > new || echo refused; \
         grep ' / ' /proc/mounts | grep -o ' ro'; grep ' / ' /proc/mounts | grep -o ' rw'; \
         dmesg | grep -c 'it is read-only from now on'; echo x > /tmp/x && cat /tmp/x",
    )?;
    ensure!(seen == "kept\nrefused\n ro\n1\nx\n", "{seen}");
    let told = machine.sh("dmesg")?;
    ensure!(told.contains(message), "no {message}: {told}");
    let greeting = greeting(machine)?;
    let complaint = "/dev/vda: takes no more changes since an error";
    ensure!(greeting.contains(complaint), "{greeting}");
    Ok(())
}

/// Once the disk is well again, its log is replayed and a check finds nothing but the
/// mark, and what had been synced is there.
fn mended(mut machine: Machine) -> Result<()> {
    machine.pull_plug()?;
    let mut e2fsck = tool("e2fsck")?;
    let check = e2fsck.arg("-fy").arg(machine.disk()).output()?;
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    // Files that were open without a name are freed, and a tree of extents with many
    // holes could be packed.
    let wrong = |line: &&str| line.contains("? yes") && !line.contains("Optimize");
    ensure!(said.lines().find(wrong).is_none(), "{said}");
    machine.check_disk()?;
    ensure!(debugfs(&machine, "cat /root/other")?.contains("kept"));
    ensure!(debugfs(&machine, "cat /root/dir/file")?.contains("in"));
    machine.start_again()?;
    machine.wait_for_ssh()?;
    machine.sh("cd /root && echo x > new && sync && cat late")?;
    machine.off()
}

#[test]
fn a_bad_data_block_is_told_once_to_each_who_syncs() -> Result<()> {
    let machine = up("eio-data")?;
    let sector = block(&machine, "bmap /root/data 8", "")? * SECTORS;
    machine.fail_disk(&[Failing::Read(sector), Failing::Write(sector)])?;
    failing(&machine, "cat data", &["Input/output error"])?;
    let told = machine.sh("cd /root; paddock-test data-errors data other")?;
    ensure!(told.contains("PASS data-errors"), "{told}");
    let log = machine.sh("dmesg")?;
    let failure = format!("vda: cannot write 8 sectors from {sector}");
    ensure!(log.contains(&failure), "{log}");
    ensure!(log.contains("cannot write the page at byte 32768"), "{log}");
    ensure!(!greeting(&machine)?.contains("/dev/vda"));
    machine.off()
}

#[test]
fn a_bad_block_of_inodes_stops_changes() -> Result<()> {
    let machine = up("eio-inodes")?;
    let table = block(&machine, "imap /root/late", "located at block")?;
    machine.fail_disk(&[Failing::Read(table * SECTORS)])?;
    failing(&machine, "cat late", &["Input/output error"])?;
    stopped(
        &machine,
        &format!("vda: cannot read 8 sectors from {}", table * SECTORS),
    )?;
    mended(machine)
}

#[test]
fn a_bad_block_of_names_stops_changes() -> Result<()> {
    let machine = up("eio-names")?;
    let names = block(&machine, "bmap /root/dir 0", "")?;
    machine.fail_disk(&[Failing::Read(names * SECTORS)])?;
    failing(&machine, "cat dir/file", &["Input/output error"])?;
    stopped(
        &machine,
        &format!("vda: cannot read 8 sectors from {}", names * SECTORS),
    )?;
    mended(machine)
}

#[test]
fn a_bad_block_of_extents_stops_changes() -> Result<()> {
    let machine = up("eio-extents")?;
    let extents = block(&machine, "stat /root/holes", "(ETB0):")?;
    machine.fail_disk(&[Failing::Read(extents * SECTORS)])?;
    failing(&machine, "cat holes", &["Input/output error"])?;
    stopped(
        &machine,
        &format!("vda: cannot read 8 sectors from {}", extents * SECTORS),
    )?;
    mended(machine)
}

#[test]
fn a_bad_bitmap_stops_changes() -> Result<()> {
    let machine = up("eio-bitmap")?;
    let bitmap = block(&machine, "stats", "block bitmap at")?;
    machine.fail_disk(&[Failing::Read(bitmap * SECTORS)])?;
    failing(
        &machine,
        "dd if=/dev/zero of=more bs=4096 count=64 conv=fsync",
        &CHANGES_FAIL,
    )?;
    stopped(
        &machine,
        &format!("vda: cannot read 8 sectors from {}", bitmap * SECTORS),
    )?;
    mended(machine)
}

/// Makes a change durable.
const COMMIT: &str = "echo lost > new; dd if=/dev/null of=other conv=notrunc,fsync";
/// Has what was committed written to its place, and makes a change.
const CHECKPOINT: &str = "echo 5 > more; sync; echo 2 > /proc/sys/vm/drop_caches; cp other new";

/// What is written of a commit, and fails: the log, its durability, and the places of
/// what it holds.
fn commit_that_fails(
    name: &str,
    action: &str,
    what: impl Fn(&Machine) -> Result<Vec<Failing>>,
) -> Result<()> {
    let machine = up(name)?;
    machine.fail_disk(&what(&machine)?)?;
    failing(&machine, action, &CHANGES_FAIL)?;
    stopped(&machine, "the journal or metadata cannot be written")?;
    mended(machine)
}

#[test]
fn a_log_that_cannot_be_written_stops_changes() -> Result<()> {
    commit_that_fails("eio-log", COMMIT, |machine| {
        let first = block(machine, "bmap <8> 1", "")?;
        let last = block(machine, "bmap <8> 4095", "")?;
        ensure!(last - first == 4094, "the log is in pieces");
        Ok((first..=last)
            .map(|at| Failing::Write(at * SECTORS))
            .collect())
    })
}

#[test]
fn a_commit_that_cannot_be_made_durable_stops_changes() -> Result<()> {
    commit_that_fails("eio-flush", COMMIT, |_| Ok(vec![Failing::Flush]))
}

#[test]
fn a_superblock_that_cannot_be_written_stops_changes() -> Result<()> {
    commit_that_fails("eio-superblock", CHECKPOINT, |_| {
        Ok(vec![Failing::Write(0)])
    })
}
