//! Files through SSH: `sftp` and `scp` of OpenSSH.

use anyhow::{Result, ensure};
use std::fs;
use std::process::Command;
use xtask::machine::{LIMIT, Machine, Reply, machine, run_limited};

/// `sftp` or `scp` with the options of the machine's `ssh`, up to where the
/// port stands.
fn client(machine: &Machine, program: &str) -> Result<Command> {
    let ssh = machine.ssh_command(&[])?;
    let mut command = xtask::process::tool(program)?;
    let mut words = ssh.get_args().peekable();
    while let Some(word) = words.next() {
        // Only ssh calls the port so; the destination is the last word.
        match (word.to_str(), words.peek()) {
            (Some("-p"), _) => command.arg("-P"),
            (_, Some(_)) => command.arg(word),
            (_, None) => &mut command,
        };
    }
    Ok(command)
}

fn sftp(machine: &Machine, commands: &str) -> Result<Reply> {
    let mut command = client(machine, "sftp")?;
    command.args(["-b", "-", "root@127.0.0.1"]);
    command.current_dir(machine.folder());
    run_limited(&mut command, commands.into(), LIMIT)
}

fn scp(machine: &Machine, from: &str, to: &str) -> Result<()> {
    let mut command = client(machine, "scp")?;
    command.args(["-r", "-p", from, to]);
    command.current_dir(machine.folder());
    let reply = run_limited(&mut command, Vec::new(), LIMIT)?;
    ensure!(reply.status.success(), "{from} to {to}: {reply}");
    Ok(())
}

#[test]
fn sftp_and_scp() -> Result<()> {
    let machine = machine("ssh-files").up()?;
    let here = machine.folder().to_owned();
    let bytes: Vec<u8> = (0..3_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    fs::write(here.join("one"), &bytes)?;
    let reply = sftp(
        &machine,
        "put one /root/two
         get /root/two three
         mkdir /root/sub
         chmod 640 /root/two
         rename /root/two /root/sub/two
         ln /root/sub/two /root/sub/hard
         ln -s two /root/sub/soft
         cp /root/sub/two /root/sub/copy
         ls -l /root/sub
         df /root
         rm /root/sub/hard
         pwd
        ",
    )?;
    assert!(reply.status.success(), "{reply}");
    let shown = reply.text();
    assert!(
        shown.contains("-rw-r-----    ? root     root      3000000"),
        "{shown}"
    );
    assert!(shown.contains("Remote working directory: /root"), "{shown}");
    assert!(fs::read(here.join("three"))? == bytes);
    assert_eq!(
        machine.sh("cd /root/sub; stat -c '%n %a %h %s' two copy; readlink soft; cmp two copy")?,
        "two 640 1 3000000\ncopy 640 1 3000000\ntwo\n"
    );
    let refused = sftp(&machine, "get /root/nothing\n")?;
    assert!(refused.errors().contains("not found"), "{refused}");

    // A tree there and back, with its times.
    for number in 0..60 {
        fs::create_dir_all(here.join(format!("tree/{}", number % 7)))?;
        fs::write(
            here.join(format!("tree/{}/{number}", number % 7)),
            format!("{number}\n"),
        )?;
    }
    scp(&machine, "tree", "root@127.0.0.1:~/tree")?;
    assert_eq!(machine.sh("find /root/tree -type f | wc -l")?.trim(), "60");
    scp(&machine, "root@127.0.0.1:tree", "back")?;
    let compared = run_limited(
        Command::new("diff")
            .args(["-r", "tree", "back"])
            .current_dir(&here),
        Vec::new(),
        LIMIT,
    )?;
    assert!(compared.status.success(), "{compared}");
    let time = |name: &str| Ok::<_, anyhow::Error>(fs::metadata(here.join(name))?.modified()?);
    let apart = time("tree/3/3")?.duration_since(time("back/3/3")?)?;
    assert!(apart.as_secs() < 1);

    // A forced command runs in place of the subsystem too.
    machine
        .sh("sed -i 's,^ssh,command=\"/bin/sftp-server -R\" ssh,' /root/.ssh/authorized_keys")?;
    let read = sftp(&machine, "get /root/sub/two four\n")?;
    assert!(read.status.success(), "{read}");
    let refused = sftp(&machine, "put one /root/five\n")?;
    assert!(refused.errors().contains("ermission denied"), "{refused}");
    machine.done()
}
