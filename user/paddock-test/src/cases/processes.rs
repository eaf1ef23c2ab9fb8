//! fork, copy-on-write and execve.

use super::{Outcome, number};
use crate::report::Report;
use crate::sys::{self, End, Hash, Map, Noise, call};

/// Leaves with a status.
pub fn exit(_: &mut Report, words: &[String]) -> Outcome {
    std::process::exit(number(words, 0, 0)?)
}

/// Executes itself COUNT times in one process.
pub fn chain(_: &mut Report, words: &[String]) -> Outcome {
    let count: u32 = number(words, 0, 0)?;
    if count == 0 {
        return Ok(());
    }
    let next = (count - 1).to_string();
    Err(format!("{:?}", sys::exec_self(&["exec-chain", &next])))
}

/// COUNT (50) programs one after the other, and as many in one process.
pub fn exec_many(report: &mut Report, words: &[String]) -> Outcome {
    let count: u32 = number(words, 0, 50)?;
    let mut good = 0;
    for n in 0..count {
        let status = n % 256;
        let end = sys::run_self(&["exit", &status.to_string()])?;
        good += u32::from(end == End::Exited(status.cast_signed()));
    }
    report.same("programs with their exit status", good, count);
    let end = sys::run_self(&["exec-chain", &count.to_string()])?;
    report.same("programs in one process", end, End::Exited(0));
    let long = "x".repeat(100_000);
    let end = sys::run_self(&["exit", "3", &long])?;
    report.same("a long argument", end, End::Exited(3));
    let nothing = c"/nowhere/program".to_owned();
    report.same(
        "a missing program",
        sys::exec(&nothing, &[]),
        sys::Errno(libc::ENOENT),
    );
    let folder = c"/".to_owned();
    report.same(
        "a folder",
        sys::exec(&folder, &[]),
        sys::Errno(libc::EACCES),
    );
    let below = c"/dev/null/x".to_owned();
    report.same(
        "below a file",
        sys::exec(&below, &[]),
        sys::Errno(libc::ENOTDIR),
    );
    closed_on_exec(report)
}

/// A file marked close-on-exec is closed by `execve`, another is not.
fn closed_on_exec(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let child = sys::fork(|| {
        sys::exec_self(&["exit", "0"]);
        1
    })?;
    sys::close(writer)?;
    report.same("closed on exec", sys::read_to_end(reader)?.len(), 0);
    report.same("the program ran", sys::wait(child)?, End::Exited(0));
    sys::close(reader)?;
    Ok(())
}

/// What one process writes the other does not see, unless it is shared.
pub fn fork_cow(report: &mut Report, _: &[String]) -> Outcome {
    const SIZE: usize = 2 << 20;
    let mut noise = Noise::new(7);
    let mut memory = noise.bytes(SIZE);
    let before = Hash::of(&memory);
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let shared = Map::new(4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1)?;
    let mut on_stack = [1u8; 256];

    let [reader, writer] = sys::pipe()?;
    let child = sys::fork(|| {
        let mut byte = [0];
        // Waits until the parent has written.
        let told = sys::read(reader, &mut byte) == Ok(1);
        let kept = Hash::of(&memory) == before && on_stack == [1; 256];
        memory.fill(9);
        on_stack.fill(9);
        shared.write(0, 42);
        i32::from(!(told && kept))
    })?;
    memory[SIZE / 2] ^= 0xff;
    on_stack[0] = 2;
    sys::write_all(writer, b"x")?;
    report.same(
        "the child keeps what was",
        sys::wait(child)?,
        End::Exited(0),
    );
    memory[SIZE / 2] ^= 0xff;
    report.check("the parent keeps its own", Hash::of(&memory) == before);
    report.same("its stack, too", (on_stack[0], on_stack[255]), (2, 1));
    report.same("shared memory is shared", shared.read(0), 42);
    generations(report, &mut memory)?;
    many_at_once(report, &memory)
}

/// A line of descendants, each changing one page.
fn generations(report: &mut Report, memory: &mut [u8]) -> Outcome {
    fn descend(memory: &mut [u8], depth: usize) -> i32 {
        if depth == 0 {
            return 0;
        }
        memory[depth * 4096] = 0xaa;
        let expected = memory[(depth + 1) * 4096];
        let end = sys::in_child(|| descend(memory, depth - 1));
        let mine = memory[(depth + 1) * 4096] == expected && memory[depth * 4096] == 0xaa;
        i32::from(!(end == Ok(End::Exited(0)) && mine))
    }
    let before = Hash::of(memory);
    let end = sys::in_child(|| descend(memory, 12))?;
    report.same("twelve generations", end, End::Exited(0));
    report.check("leave the first as it was", Hash::of(memory) == before);
    Ok(())
}

fn many_at_once(report: &mut Report, memory: &[u8]) -> Outcome {
    let expected = Hash::of(memory);
    let mut children = Vec::new();
    for n in 0..16 {
        children.push(sys::fork(|| {
            let mut own = memory.to_vec();
            own.iter_mut().step_by(4096).for_each(|byte| *byte = n);
            i32::from(Hash::of(memory) != expected)
        })?);
    }
    let ends: Vec<End> = children
        .into_iter()
        .map(sys::wait)
        .collect::<Result<_, _>>()?;
    report.check(
        "sixteen at once",
        ends.iter().all(|end| *end == End::Exited(0)),
    );
    let none = call!(libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG));
    report.refused("nobody is left", none, libc::ECHILD);
    Ok(())
}
