//! Filesystems in files: loop devices (loop(4)), and ext4 on them.

use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use xtask::machine::{machine, test_folder};
use xtask::process::{capture, tool};

fn image(name: &str, kind: &str) -> Result<PathBuf> {
    let image = test_folder().join(name);
    fs::write(&image, vec![0; 16 << 20])?;
    let mut mke2fs = tool("mke2fs")?;
    mke2fs.args(["-q", "-F", "-t", kind]);
    capture(mke2fs.arg(&image))?;
    Ok(image)
}

/// What e2fsck has to say of an image that nobody has mounted.
fn check(image: &Path) -> Result<()> {
    let mut e2fsck = tool("e2fsck")?;
    capture(e2fsck.arg("-fn").arg(image)).map(drop)
}

/// Prints what became of each step.
const USED: &str = "cd /tmp; mkdir a b; \
    losetup /dev/loop3 image; \
    mount -t ext4 /dev/loop3 a && echo mounted; \
    echo one > a/f; mkdir a/d; dd if=/dev/zero of=a/big bs=64k count=40 2>/dev/null; \
    mount -t ext4 /dev/loop3 a 2>/dev/null || echo not twice at one place; \
    mount -t ext4 /dev/loop3 b && cat b/f; echo two > b/g; cat a/g; umount b; \
    mount -t ext4 /dev/loop4 b 2>/dev/null || echo nothing there; \
    mount -o remount,ro a; (echo x > a/x) 2>/dev/null || echo read-only; \
    mount -o remount,rw a && echo three > a/x; \
    losetup -d /dev/loop3; grep -c /dev/loop3 /proc/mounts; \
    umount a && echo unmounted; mount -t ext4 /dev/loop3 a 2>/dev/null || echo let go of";

#[test]
fn a_filesystem_in_a_file_is_mounted_and_left_clean() -> Result<()> {
    let image = image("loop.img", "ext4")?;
    let machine = machine("loop").up()?;
    let sent = machine.ssh_with_input("cat > /tmp/image", fs::read(&image)?)?;
    assert!(sent.status.success(), "{:?}", sent.status);
    let expected = "mounted\nnot twice at one place\none\ntwo\nnothing there\n\
                    read-only\n1\nunmounted\nlet go of\n";
    assert_eq!(machine.sh(USED)?, expected);
    let again = "cd /tmp; losetup /dev/loop0 image; mount -t ext4 /dev/loop0 a; \
                 cat a/f a/g a/x; ls a | wc -l; umount a; losetup -d /dev/loop0; sync";
    assert_eq!(machine.sh(again)?, "one\ntwo\nthree\n6\n");
    let told = "cd /sys/block/loop5; echo $(cat size dev); ls -d loop 2>/dev/null; \
                losetup -r -o 4096 /dev/loop5 /tmp/image; \
                echo $(cat size ro removable queue/logical_block_size loop/offset \
                       loop/autoclear loop/backing_file); \
                losetup -d /dev/loop5; echo $(cat size); ls -d loop 2>/dev/null; \
                ls /sys/block | grep -c '^loop'; ls /sys/block/loop05 2>/dev/null";
    let all_loops = machine.sh("ls /dev/loop[0-9]* | wc -l")?;
    let expected = format!("0 7:5\n32760 1 0 512 4096 0 /tmp/image\n0\n{all_loops}");
    assert_eq!(machine.ssh(told)?.text(), expected);
    // mount(8) binds a device of its own to a file, and that lets go of it with the mount.
    let by_itself = "cd /tmp; mount -t ext4 image b; cat b/x; losetup -a | wc -l; \
                     umount b; losetup -a | wc -l; sync";
    assert_eq!(machine.sh(by_itself)?, "three\n1\n0\n");
    let back = machine.ssh("cat /tmp/image")?;
    fs::write(&image, back.stdout)?;
    check(&image)?;
    machine.off()
}

/// As each kind that it is not; then as what mount(8) takes it for.
const OLDER: &str = "cd /tmp; mkdir a; \
    for kind in ext2 ext3; do mount -t $kind $kind.img a 2>/dev/null && umount a && \
        echo $kind as $kind; done; \
    mount -t ext3 ext2.img a 2>/dev/null || echo ext2 has no journal; \
    mount -t ext2 ext4.img a 2>/dev/null || echo ext4 has more; \
    for kind in ext2 ext3 ext4; do mount $kind.img a; grep -o ' ext. ' /proc/mounts | tail -1; \
        dd if=/dev/urandom of=a/big bs=64k count=60 2>/dev/null; cp a/big a/copy; \
        ln -s $(printf 'n%.0s' $(seq 100)) a/link; mkdir a/d; cp /bin/busybox a/d; \
        echo x | dd of=a/holes bs=1 seek=300000000 2>/dev/null; \
        umount a; mount $kind.img a; cmp a/big a/copy && cmp a/d/busybox /bin/busybox && \
        tail -c 2 a/holes; rm a/copy; umount a; done; sync";

#[test]
fn older_filesystems_are_mounted_and_left_clean() -> Result<()> {
    let kinds = ["ext2", "ext3", "ext4"];
    let machine = machine("loop-older").up()?;
    for kind in kinds {
        let sent = fs::read(image(&format!("loop-{kind}.img"), kind)?)?;
        let sent = machine.ssh_with_input(&format!("cat > /tmp/{kind}.img"), sent)?;
        assert!(sent.status.success(), "{:?}", sent.status);
    }
    let expected = "ext2 as ext2\next3 as ext3\next2 has no journal\next4 has more\n \
                    ext2 \nx\n ext3 \nx\n ext4 \nx\n";
    assert_eq!(machine.sh(OLDER)?, expected);
    for kind in kinds {
        let back = machine.ssh(&format!("cat /tmp/{kind}.img"))?;
        let image = test_folder().join(format!("loop-{kind}.img"));
        fs::write(&image, back.stdout)?;
        check(&image)?;
    }
    machine.off()
}
