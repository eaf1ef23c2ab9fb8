//! `cargo xtask test`.

use super::check;
use super::tally::Tally;
use super::tests_run::add_cargo_test;
use anyhow::{Result, bail};
use lexopt::prelude::*;
use std::fs;
use std::process::{Command, ExitCode};
use xtask::build::Kernel;
use xtask::disk::Contents;
use xtask::machine::CPUS_VARIABLE;
use xtask::qemu::cpus;
use xtask::toolchain::host_cargo;
use xtask::{build, disk, fuzz, machine, paths, step};

const HELP: &str = "\
Runs the tests: formatting and lints, the libraries and herd on the host, then
the system end to end in QEMU, with one CPU and, where several threads meet,
again with four. The last line says how many passed and failed.

Usage: cargo xtask test [--only PART]... [NAME]

  NAME             only tests whose names contain it
  --only check     formatting and lints
  --only host      the libraries and herd on the host, and the models of what
                   several threads share
  --only e2e       end to end
  --smp N          end to end with N CPUs only, 1 to 8: all tests
  --no-build       end to end with what was built last
";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Check,
    Host,
    EndToEnd,
}

struct Options {
    parts: Vec<Part>,
    name: Option<String>,
    smp: Option<u32>,
    build: bool,
}

/// With how many CPUs a part of the end-to-end tests runs a second time.
const SEVERAL: u32 = 4;
/// Which part: the tests in which threads of programs, services and the
/// network meet. What looks at one machine's boot or its time runs once, and so
/// does what says itself with how many CPUs.
const AGAIN_WITH_SEVERAL: &[&str] = &[
    "broken::",
    "disk::",
    "faults::",
    "herd::",
    "power::",
    "programs::",
    "ssh::",
    "stress::",
    "terminal::",
    "transfer::",
];

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let Some(options) = parse(args)? else {
        return super::help(HELP);
    };
    let mut tally = Tally::default();
    for part in &options.parts {
        match part {
            Part::Check => {
                tally.begin("--only check");
                add_checks(&mut tally)?;
            }
            Part::Host => {
                tally.begin("--only host");
                add_cargo_test(&mut tally, "on the host", host_tests(&options))?;
                add_cargo_test(&mut tally, "of the models", models(&options))?;
            }
            Part::EndToEnd => {
                prepare(options.build)?;
                // Single tests that need the test kernel build it themselves.
                if options.build && options.name.is_none() {
                    machine::build_test_kernel()?;
                    fuzz::build()?;
                }
                add_end_to_end(&mut tally, &options)?;
            }
        }
    }
    Ok(tally.close())
}

fn parse(args: &mut lexopt::Parser) -> Result<Option<Options>> {
    let mut options = Options {
        parts: Vec::new(),
        name: None,
        smp: None,
        build: true,
    };
    while let Some(arg) = args.next()? {
        match arg {
            Long("only") => options.parts.push(match args.value()?.string()?.as_str() {
                "check" => Part::Check,
                "host" => Part::Host,
                "e2e" => Part::EndToEnd,
                other => bail!("--only may be check, host or e2e; not `{other}`"),
            }),
            Long("smp") => options.smp = Some(cpus(&args.value()?.string()?)?),
            Long("no-build") => options.build = false,
            Long("help") | Short('h') => return Ok(None),
            Value(name) if options.name.is_none() => options.name = Some(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.parts.is_empty() {
        options.parts = match options.name {
            Some(_) => vec![Part::Host, Part::EndToEnd],
            None => vec![Part::Check, Part::Host, Part::EndToEnd],
        };
    }
    Ok(Some(options))
}

fn host_tests(options: &Options) -> Command {
    let mut cargo = host_cargo();
    cargo.args(["test", "--no-fail-fast", "--workspace"]);
    cargo.args(["--exclude", "paddock-kernel", "--exclude", "paddock-tests"]);
    cargo.args(&options.name);
    cargo
}

/// The models of the concurrent primitives: the same sources, built so that a
/// model checker decides who runs. Each prints how many executions it took.
fn models(options: &Options) -> Command {
    let mut cargo = host_cargo();
    cargo.args(["test", "--no-fail-fast", "--profile", "model"]);
    cargo.args(["--package", "paddock-sync", "--package", "paddock-sched"]);
    cargo.args(["--package", "paddock-epoll", "--package", "paddock-profile"]);
    cargo.args(["--test", "models"]);
    // Apart, as a flag of the compiler would have everything built anew.
    cargo.arg("--target-dir").arg(paths::models());
    cargo.env("RUSTFLAGS", "--cfg loom");
    cargo.args(&options.name);
    cargo.args(["--", "--show-output"]);
    cargo
}

/// Puts what the tests boot into a folder that no later build changes.
pub fn prepare(build: bool) -> Result<()> {
    let dir = machine::test_folder();
    fs::create_dir_all(dir.join("bin"))?;
    if !build && dir.join("disk.img").exists() {
        return Ok(());
    }
    let built = build::programs()?;
    machine::keep(Kernel::Shipped)?;
    for (name, program) in &built.programs {
        fs::copy(program, dir.join("bin").join(name))?;
    }
    disk::make(&dir.join("disk.img"), &Contents::default(), &built.programs)
}

/// Two machines at a time: more would only wait for each other.
fn end_to_end_tests(smp: u32, names: &[&str], test_kernel_is_built: bool) -> Command {
    let mut cargo = host_cargo();
    cargo.args(["test", "--no-fail-fast", "--package", "paddock-tests"]);
    // An error says where it is from; a trace of the test runner adds nothing.
    cargo.env("RUST_BACKTRACE", "0");
    if test_kernel_is_built {
        cargo.env(machine::TEST_KERNEL_IS_BUILT, "1");
    }
    cargo.env(CPUS_VARIABLE, smp.to_string());
    cargo.args(["--", "--test-threads", "2"]).args(names);
    cargo
}

fn add_checks(tally: &mut Tally) -> Result<()> {
    step::step("Checks");
    for check in check::all()? {
        let name = check.name();
        match check.run() {
            Ok(()) => tally.pass(),
            Err(error) => {
                eprintln!("{error:#}");
                tally.fail(format!("check: {name}"));
            }
        }
    }
    Ok(())
}

/// All with one CPU and some again with several, unless the user chose.
fn add_end_to_end(tally: &mut Tally, options: &Options) -> Result<()> {
    let name = options.name.as_deref();
    let chosen: Vec<&str> = name.into_iter().collect();
    let smp = options.smp.unwrap_or(1);
    let built = !options.build || name.is_none();
    tally.begin(&format!("--only e2e --smp {smp}"));
    add_cargo_test(
        tally,
        &with_cpus(smp),
        end_to_end_tests(smp, &chosen, built),
    )?;
    if options.smp.is_none() && name.is_none() {
        tally.begin(&format!("--only e2e --smp {SEVERAL}"));
        let again = end_to_end_tests(SEVERAL, AGAIN_WITH_SEVERAL, built);
        add_cargo_test(tally, &with_cpus(SEVERAL), again)?;
    }
    Ok(())
}

fn with_cpus(count: u32) -> String {
    match count {
        1 => "end to end, with one CPU".into(),
        _ => format!("end to end, with {count} CPUs"),
    }
}
