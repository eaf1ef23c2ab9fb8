//! Features of filesystems by name, as mke2fs and tune2fs call them.

use core::fmt;

const INCOMPAT: [(u32, &str); 16] = [
    (0x1, "compression"),
    (0x2, "filetype"),
    (0x4, "needs_recovery"),
    (0x8, "journal_dev"),
    (0x10, "meta_bg"),
    (0x40, "extent"),
    (0x80, "64bit"),
    (0x100, "mmp"),
    (0x200, "flex_bg"),
    (0x400, "ea_inode"),
    (0x1000, "dirdata"),
    (0x2000, "metadata_csum_seed"),
    (0x4000, "large_dir"),
    (0x8000, "inline_data"),
    (0x1_0000, "encrypt"),
    (0x2_0000, "casefold"),
];

const RO_COMPAT: [(u32, &str); 17] = [
    (0x1, "sparse_super"),
    (0x2, "large_file"),
    (0x4, "btree_dir"),
    (0x8, "huge_file"),
    (0x10, "uninit_bg"),
    (0x20, "dir_nlink"),
    (0x40, "extra_isize"),
    (0x80, "snapshot"),
    (0x100, "quota"),
    (0x200, "bigalloc"),
    (0x400, "metadata_csum"),
    (0x800, "replica"),
    (0x1000, "read-only"),
    (0x2000, "project"),
    (0x4000, "shared_blocks"),
    (0x8000, "verity"),
    (0x1_0000, "orphan_present"),
];

/// Some features, to be printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub incompat: u32,
    pub ro_compat: u32,
}

impl Names {
    pub fn is_empty(self) -> bool {
        self.incompat | self.ro_compat == 0
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: [(u32, &[(u32, &str)]); 2] =
            [(self.incompat, &INCOMPAT), (self.ro_compat, &RO_COMPAT)];
        let mut separator = "";
        for (bits, names) in kinds {
            let mut unknown = bits;
            for (bit, name) in names.iter().filter(|(bit, _)| bits & bit != 0) {
                write!(f, "{separator}{name}")?;
                separator = ", ";
                unknown &= !bit;
            }
            if unknown != 0 {
                write!(f, "{separator}{unknown:#x}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}
