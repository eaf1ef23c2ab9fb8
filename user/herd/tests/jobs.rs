//! A service is all its processes, also those that made themselves independent.

mod common;

use common::{Herd, alive, eventually, kill};

/// Starts two that outlive their parents, each in a session of its own and
/// without its outputs, and prints their numbers.
const DAEMONS: &str = "command = ['sh', '-c', '''
for n in 1 2; do
    setsid sh -c 'setsid sh -c \"echo pid \\$\\$; exec sleep 1000 >/dev/null 2>&1\" &' &
done
exec sleep 1000''']
backoff = '10ms..60s'
";

/// Their numbers, as soon as there are `count` in the log.
fn daemons(herd: &Herd, count: usize) -> Vec<i32> {
    eventually("the daemons have told their numbers", || {
        let log = herd.log("web");
        let pids = log.lines().filter_map(|line| line.split("| pid ").nth(1));
        let pids: Vec<i32> = pids.filter_map(|pid| pid.parse().ok()).collect();
        (pids.len() == count).then_some(pids)
    })
}

#[test]
fn daemons_of_a_service_stop_with_it() {
    let herd = Herd::with("web", DAEMONS);
    let pids = daemons(&herd, 2);
    assert!(pids.iter().all(|pid| alive(*pid)));
    herd.ok(&["stop", "web"]);
    assert!(pids.iter().all(|pid| !alive(*pid)));
}

/// One that neither its session nor its environment tells of stops with the service,
/// where there are control groups.
#[test]
fn nothing_leaves_a_control_group() {
    let herd = Herd::with(
        "web",
        "command = ['sh', '-c', '''
setsid setsid env -i PATH=\"$PATH\" sh -c 'echo pid $$; exec sleep 1000 >/dev/null 2>&1' &
exec sleep 1000''']
",
    );
    let pid = daemons(&herd, 1)[0];
    let status = herd.status("web");
    if status["group"].is_null() {
        println!("no control groups here");
        kill(pid, libc::SIGKILL);
        return;
    }
    let group = status["group"].as_str().unwrap().to_owned();
    // Those in between go.
    eventually("two are left", || {
        (herd.status("web")["tasks"] == 2).then_some(())
    });
    assert!(herd.ok(&["status", "web"]).contains(&group));
    herd.ok(&["stop", "web"]);
    assert!(!alive(pid));
    assert!(!std::path::Path::new(&group).exists());
}

#[test]
fn a_new_instance_never_meets_the_daemons_of_the_old_one() {
    let herd = Herd::with("web", DAEMONS);
    let old = daemons(&herd, 2);
    kill(herd.pid("web"), libc::SIGKILL);
    let all = daemons(&herd, 4);
    assert_eq!(all[..2], old);
    assert!(old.iter().all(|pid| !alive(*pid)));
    // The end was noted when they were gone, before the next start.
    let log = herd.log("web");
    assert!(
        log.find("killed by SIGKILL") < log.rfind("started, pid"),
        "{log}"
    );
    let other = Herd::with("web", DAEMONS);
    let others = daemons(&other, 2);
    herd.ok(&["stop", "web"]);
    assert!(all.iter().all(|pid| !alive(*pid)));
    assert!(others.iter().all(|pid| alive(*pid)));
}
