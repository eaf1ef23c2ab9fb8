//! An interactive session: a person's keys, and what the screen shows.

use anyhow::Result;
use paddock_tests::terminal::Terminal;
use xtask::machine::{Machine, machine};

const PROMPT: &str = "# ";

fn shell(machine: &Machine) -> Result<Terminal> {
    let mut terminal = Terminal::start(&machine.ssh_command(&["-tt"])?, 24, 80)?;
    terminal.expect(PROMPT)?;
    Ok(terminal)
}

#[test]
fn the_line_editor_and_the_windows_size() -> Result<()> {
    let machine = machine("terminal").up()?;
    let mut terminal = shell(&machine)?;
    terminal.press("stty size\r")?;
    terminal.expect("24 80")?;
    terminal.expect(PROMPT)?;
    terminal.resize(50, 132)?;
    terminal.press("sleep 0.2; stty size\r")?;
    terminal.expect("50 132")?;
    terminal.expect(PROMPT)?;
    // Backspace, the start of the line, and the line before.
    terminal.press("cho wwrong\x7f\x7f\x7f\x7f\x7fright$((6*7))\x01e\r")?;
    terminal.expect("wright42")?;
    terminal.expect(PROMPT)?;
    terminal.press("\x1b[A\r")?;
    terminal.expect("\nwright42")?;
    terminal.expect(PROMPT)?;
    terminal.press("tty; test -t 0 && echo on a terminal\r")?;
    terminal.expect("/dev/pts/")?;
    terminal.expect("\non a terminal")?;
    machine.done()
}

#[test]
fn control_c_and_control_d() -> Result<()> {
    let machine = machine("control").up()?;
    let mut terminal = shell(&machine)?;
    terminal.press("sleep 1000\r")?;
    std::thread::sleep(std::time::Duration::from_millis(500));
    terminal.press("\x03")?;
    terminal.expect(PROMPT)?;
    terminal.press("echo status $?\r")?;
    terminal.expect("\nstatus 130")?;
    terminal.expect(PROMPT)?;
    // An end of input ends the program that reads, not the shell.
    terminal.press("cat; echo cat ended with $?\r")?;
    terminal.press("some text\r")?;
    terminal.expect("\nsome text")?;
    terminal.press("\x04")?;
    terminal.expect("\ncat ended with 0")?;
    terminal.expect(PROMPT)?;
    terminal.press("exit 3\r")?;
    assert_eq!(terminal.wait()?.code(), Some(3));
    let mut terminal = shell(&machine)?;
    terminal.press("\x04")?;
    terminal.wait()?;
    machine.done()
}
