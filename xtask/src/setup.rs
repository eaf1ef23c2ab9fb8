//! Making sure of everything that building and running need.

use crate::packages::{self, Package, Provides};
use crate::step::step;
use crate::toolchain::Toolchain;
use anyhow::Result;

const QEMU: Package = Package {
    name: "qemu-system-arm",
    why: "the machine that Paddock runs on",
    provides: Provides::Program("qemu-system-aarch64"),
};
const E2FSPROGS: Package = Package {
    name: "e2fsprogs",
    why: "makes and checks the disk (mke2fs, debugfs, e2fsck)",
    provides: Provides::Program("mke2fs"),
};
const SSH: Package = Package {
    name: "openssh-client",
    why: "logs in; makes keys",
    provides: Provides::Program("ssh"),
};
const PS: Package = Package {
    name: "procps",
    why: "shows processes to the tests of herd on the host",
    provides: Provides::Program("ps"),
};
const GDB: Package = Package {
    name: "gdb-multiarch",
    why: "debugs the kernel",
    provides: Provides::Program("gdb-multiarch"),
};
const CLIPPY: Package = Package {
    name: "rust-web-clippy",
    why: "checks the kernel with Debian's compiler",
    provides: Provides::Path("/usr/bin/clippy-driver"),
};

const SQLITE: Package = Package {
    name: "sqlite3",
    why: "reads its databases after a power cut",
    provides: Provides::Program("sqlite3"),
};
const LMDB: Package = Package {
    name: "lmdb-utils",
    why: "reads LMDB's databases after a power cut",
    provides: Provides::Program("mdb_dump"),
};

const PLYVEL: Package = Package {
    name: "python3-plyvel",
    why: "reads LevelDB's databases after a power cut",
    provides: Provides::Path("/usr/lib/python3/dist-packages/plyvel"),
};

/// Installs what building, running and testing need, and picks a compiler.
pub fn ensure() -> Result<Toolchain> {
    step("Looking for the tools that Paddock needs");
    packages::ensure(&[&QEMU, &E2FSPROGS, &SSH, &PS])?;
    Toolchain::ensure()
}

/// Installs the debugger if it is missing.
pub fn ensure_gdb() -> Result<()> {
    packages::ensure(&[&GDB])
}

/// Installs what reads databases if it is missing.
pub fn ensure_database_readers() -> Result<()> {
    packages::ensure(&[&SQLITE, &LMDB, &PLYVEL])
}

/// Installs the linter that goes with Debian's compiler if it is missing.
pub fn ensure_clippy() -> Result<()> {
    packages::ensure(&[&CLIPPY])
}
