//! Which compiler builds for AArch64: rustup's with its targets, or Debian's
//! with the library built from source.

use crate::packages::{self, Package, Provides};
use crate::paths::{guest_target, workspace};
use crate::process::{find, succeeds_within, text_of, tool};
use crate::step::{note, step};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The kernel's target.
pub const KERNEL_TARGET: &str = "aarch64-unknown-none-softfloat";

/// The kernel's Rust code runs with the MMU on and `SCTLR_EL1.A` off, so that
/// words of normal memory may be loaded and stored wherever they are (Arm ARM
/// B2.8); what comes before is assembly. The target's default is for code that
/// runs without: every word of a packet or a block, byte by byte. The compiler
/// hands the feature to LLVM, but warns for each crate that it has no name for it;
/// `cargo xtask check` shows the other warnings.
const UNALIGNED: [&str; 2] = ["-Ctarget-feature=-strict-align", "-Awarnings"];
const MUSL: &str = "aarch64-unknown-linux-musl";
const GNU: &str = "aarch64-unknown-linux-gnu";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

const DEBIAN_PACKAGES: &[Package] = &[
    Package {
        name: "rustc-web",
        why: "a compiler that can build the library for AArch64",
        provides: Provides::Path(DEBIAN_RUSTC),
    },
    Package {
        name: "cargo-web",
        why: "goes with that compiler",
        provides: Provides::Path(DEBIAN_CARGO),
    },
    Package {
        name: "rust-web-src",
        why: "the library's source",
        provides: Provides::Path("/usr/lib/rustlib/src/rust/library"),
    },
    Package {
        name: "lld",
        why: "links the kernel",
        provides: Provides::Program("ld.lld"),
    },
    Package {
        name: "gcc-aarch64-linux-gnu",
        why: "links programs for the guest",
        provides: Provides::Program("aarch64-linux-gnu-gcc"),
    },
    Package {
        name: "libc6-dev-arm64-cross",
        why: "the C library in programs for the guest",
        provides: Provides::Path("/usr/aarch64-linux-gnu/lib/libc.a"),
    },
];

/// A way to build for AArch64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The compiler that built this tool, with targets from rustup.
    Rustup,
    /// Debian's `rustc-web`, building the library from source.
    Debian,
}

impl Toolchain {
    /// Finds a way, and installs what it needs. `PADDOCK_TOOLCHAIN=rustup` or
    /// `debian` decides; else what is there already, else rustup if it can
    /// get its targets, else Debian's packages.
    pub fn ensure() -> Result<Self> {
        step("Looking for a compiler for AArch64");
        let chosen = match std::env::var("PADDOCK_TOOLCHAIN").as_deref() {
            Ok("rustup") => Self::rustup_or_fail()?,
            Ok("debian") => Self::debian()?,
            Ok(other) => bail!("PADDOCK_TOOLCHAIN is `{other}`; it may be `rustup` or `debian`"),
            Err(_) if has_targets() => Self::Rustup,
            Err(_) if DEBIAN_PACKAGES.iter().all(Package::is_there) => Self::Debian,
            Err(_) if add_targets() => Self::Rustup,
            Err(_) => Self::debian()?,
        };
        note(chosen.name());
        Ok(chosen)
    }

    fn rustup_or_fail() -> Result<Self> {
        if !has_targets() && !add_targets() {
            bail!(
                "rustup cannot add {KERNEL_TARGET} and {MUSL}; unset PADDOCK_TOOLCHAIN to use Debian's compiler"
            );
        }
        Ok(Self::Rustup)
    }

    fn debian() -> Result<Self> {
        packages::ensure(&DEBIAN_PACKAGES.iter().collect::<Vec<_>>())?;
        Ok(Self::Debian)
    }

    /// For progress lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rustup => "rustup's targets for the installed toolchain",
            Self::Debian => "Debian's rustc-web, with the library built from source",
        }
    }

    /// The target of programs that run in the guest.
    pub fn user_target(self) -> &'static str {
        match self {
            Self::Rustup => MUSL,
            Self::Debian => GNU,
        }
    }

    /// `cargo build` for the kernel, without the package's name.
    pub fn build_kernel(self) -> Command {
        let mut cargo = self.cargo("build");
        self.for_kernel(&mut cargo);
        if self.takes(UNALIGNED) {
            let flags = UNALIGNED.map(|flag| format!("{flag:?}")).join(", ");
            let key = format!("target.{KERNEL_TARGET}.rustflags=[{flags}]");
            cargo.args(["--config", &key]);
        } else {
            note("this compiler loads words byte by byte: a slower kernel");
        }
        cargo
    }

    /// Whether its compiler knows these flags for the kernel's target.
    fn takes(self, flags: [&str; 2]) -> bool {
        let mut rustc = match self {
            Self::Rustup => Command::new("rustc"),
            Self::Debian => Command::new(DEBIAN_RUSTC),
        };
        rustc.args(["--print", "cfg", "--target", KERNEL_TARGET]);
        text_of(rustc.args(flags)).is_ok()
    }

    /// `cargo clippy` for the kernel's target, without the package's name.
    /// Debian's takes warnings for errors; the other's needs `-- -Dwarnings`.
    pub fn clippy_for_kernel(self) -> Command {
        let mut cargo = self.cargo(match self {
            Self::Rustup => "clippy",
            Self::Debian => "check",
        });
        self.for_kernel(&mut cargo);
        // Of the libraries as well, as far as they are part of the kernel.
        cargo.env("CLIPPY_CONF_DIR", workspace().join("kernel/lints"));
        if self == Self::Debian {
            // What `cargo clippy` itself does, without asking PATH which
            // clippy is meant.
            cargo.env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__");
            cargo.env("RUSTC_WORKSPACE_WRAPPER", "/usr/bin/clippy-driver");
        }
        cargo
    }

    fn for_kernel(self, cargo: &mut Command) {
        cargo.args(["--release", "--target", KERNEL_TARGET]);
        if self == Self::Debian {
            cargo.args(["-Zbuild-std=core,alloc,compiler_builtins"]);
            cargo.arg("-Zbuild-std-features=compiler-builtins-mem");
            cargo.env(
                "CARGO_TARGET_AARCH64_UNKNOWN_NONE_SOFTFLOAT_LINKER",
                "ld.lld",
            );
        }
    }

    /// `cargo build` for static programs of the guest, without their names.
    pub fn build_user(self) -> Command {
        let mut cargo = self.cargo("build");
        cargo.args(["--release", "--target", self.user_target()]);
        match self {
            Self::Rustup => {
                cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld");
            }
            Self::Debian => {
                cargo.arg("-Zbuild-std=std,panic_abort");
                cargo.env(
                    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
                    "aarch64-linux-gnu-gcc",
                );
                cargo.env(
                    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
                    "-Ctarget-feature=+crt-static",
                );
            }
        }
        cargo
    }

    /// A cargo command of this toolchain with its own target folder and none
    /// of the variables by which the caller's cargo speaks to its children.
    pub fn cargo(self, command: &str) -> Command {
        let mut cargo = match self {
            Self::Rustup => host_cargo(),
            Self::Debian => {
                let mut cargo = Command::new(DEBIAN_CARGO);
                cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                cargo
                    .env_remove("LD_LIBRARY_PATH")
                    .env_remove("RUSTUP_TOOLCHAIN");
                clean(&mut cargo);
                cargo
            }
        };
        cargo.arg(command).current_dir(crate::paths::workspace());
        cargo.env("CARGO_TARGET_DIR", self.target_folder());
        cargo
    }

    fn target_folder(self) -> PathBuf {
        guest_target().join(match self {
            Self::Rustup => "rustup",
            Self::Debian => "debian",
        })
    }

    /// The folder where the built programs of `target` are.
    pub fn built(self, target: &str) -> PathBuf {
        self.target_folder().join(target).join("release")
    }
}

/// The cargo that runs this tool, cleaned of what it gave to this process.
pub fn host_cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    clean(&mut command);
    command
}

/// The target that is this host (`rustc -vV`).
///
/// # Errors
/// A compiler that does not say.
pub fn host() -> Result<String> {
    let text = text_of(tool("rustc")?.arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

fn clean(command: &mut Command) {
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_MAKEFLAGS",
        "MAKEFLAGS",
        "CARGO",
    ] {
        command.env_remove(name);
    }
}

/// Whether the compiler in use has both targets' libraries.
fn has_targets() -> bool {
    [KERNEL_TARGET, MUSL].iter().all(|target| {
        text_of(Command::new("rustc").args(["--print", "target-libdir", "--target", target]))
            .is_ok_and(|path| Path::new(path.trim()).is_dir())
    })
}

fn add_targets() -> bool {
    if find("rustup").is_none() {
        return false;
    }
    note("asking rustup for the targets");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", KERNEL_TARGET, MUSL]);
    let added = succeeds_within(&mut rustup, Duration::from_secs(120)) && has_targets();
    if !added {
        note("rustup cannot get them here; taking Debian's compiler");
    }
    added
}
