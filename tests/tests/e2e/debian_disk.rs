//! A disk of Debian's packages: unpacked on the host, configured by dpkg on the
//! machine, and their servers serve.

use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use xtask::debian;
use xtask::disk::{self, Contents};
use xtask::machine::{Machine, machine, test_folder, test_programs};

/// How long dpkg may take for a hundred packages, in seconds, on a busy host.
const CONFIGURED: u64 = 900;

#[test]
fn a_disk_of_packages_configures_itself_and_serves() -> Result<()> {
    let packages = ["nginx", "redis-server"].map(String::from);
    let mut contents = Contents::default();
    debian::add(&mut contents, &packages)?;
    let image = test_folder().join("packages.img");
    disk::make(&image, &contents, &test_programs()?)?;
    let mut machine = machine("packages")
        .alone()
        .with(|config| config.mem = "512M".into())
        .disk(&image)
        .up()?;
    await_state(&machine, "debian-configure", "done")?;
    ensure!(
        machine.sh("dpkg --audit")?.is_empty(),
        "dpkg --audit finds fault"
    );
    for service in ["nginx", "redis-server"] {
        await_state(&machine, service, "running")?;
    }
    // Owners and modes are those of the packages and of their scripts.
    let modes =
        machine.sh("stat -c '%a %U %G %n' /usr/bin/su /var/lib/redis /usr/sbin/unix_chkpwd")?;
    assert_eq!(
        modes,
        "4755 root root /usr/bin/su\n750 redis redis /var/lib/redis\n2755 root shadow /usr/sbin/unix_chkpwd\n"
    );
    let page = machine.sh("busybox wget -qO- http://127.0.0.1/ | grep -c 'Welcome to nginx'")?;
    assert_eq!(page, "2\n");
    let answer = machine.sh("redis-cli set key value; redis-cli get key; redis-benchmark -q -n 500 -c 20 -t set,get | tr '\\r' '\\n' | grep -c 'requests per second'; redis-cli save")?;
    assert_eq!(answer, "OK\nvalue\n2\nOK\n");
    machine.power_off()?;
    machine.check_disk()?;
    machine.start_again()?;
    machine.wait_for_ssh()?;
    await_state(&machine, "redis-server", "running")?;
    assert_eq!(machine.sh("redis-cli get key")?, "value\n");
    machine.off()
}

/// Waits until herd says that a service is in a state.
fn await_state(machine: &Machine, service: &str, state: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        let status = machine.sh(&format!("herd status {service}; true"))?;
        if status.contains(state) {
            return Ok(());
        }
        let lasts = begun.elapsed().as_secs();
        let ended = status.contains("stopped") && status.contains("exited with status");
        if ended || status.contains("failed") || lasts > CONFIGURED {
            let log = machine.sh(&format!("tail -30 /var/log/herd/{service}.log; true"))?;
            return Err(anyhow::anyhow!("{status}\n{log}"))
                .context(format!("{service} is not {state}"));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}
