//! A bad program kills itself and nothing else.

use anyhow::Result;
use xtask::machine::machine;

#[test]
fn bad_programs_die_with_the_right_signal() -> Result<()> {
    let machine = machine("faults").up()?;
    let cases: [(&str, &[i32]); 4] = [
        // A shell gives 128 and the signal's number.
        ("null", &[128 + 11]),
        ("kernel", &[128 + 11]),
        ("undef", &[128 + 4]),
        ("recurse", &[128 + 11]),
    ];
    for (fault, expected) in cases {
        let reply = machine.ssh(&format!("sh -c 'paddock-test fault {fault}'; exit $?"))?;
        let code = reply.status.code().unwrap_or(-1);
        assert!(expected.contains(&code), "fault {fault}: {reply}");
        assert_eq!(machine.sh("echo alive")?, "alive\n");
    }
    machine.done()
}

#[test]
fn a_program_that_wants_all_memory_dies_alone() -> Result<()> {
    let machine = machine("oom")
        .with(|config| config.mem = "64M".into())
        .up()?;
    let reply = machine.ssh("sh -c 'paddock-test fault oom'; exit $?")?;
    let code = reply.status.code().unwrap_or(-1);
    assert!([128 + 9, 128 + 6, 128 + 11].contains(&code), "{reply}");
    assert_eq!(machine.sh("echo alive")?, "alive\n");
    assert!(machine.sh("herd status httpd")?.contains("running"));
    machine.done()
}

#[test]
fn hostile_programs_are_refused() -> Result<()> {
    let machine = machine("elf-hostile").up()?;
    let output = machine.sh("mkdir -p /tmp/elf && paddock-test elf-hostile /tmp/elf")?;
    assert!(output.contains("PASS elf-hostile"), "{output}");
    machine.done()
}
