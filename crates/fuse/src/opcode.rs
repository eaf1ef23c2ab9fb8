//! What is asked of the program, by its number.

macro_rules! opcodes {
    ($($name:ident = $number:literal;)*) => {
        /// What is asked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        #[allow(missing_docs, reason = "the names of the protocol")]
        pub enum Opcode { $($name = $number,)* }
    };
}

opcodes! {
    Lookup = 1;
    Forget = 2;
    Getattr = 3;
    Setattr = 4;
    Readlink = 5;
    Symlink = 6;
    Mknod = 8;
    Mkdir = 9;
    Unlink = 10;
    Rmdir = 11;
    Rename = 12;
    Link = 13;
    Open = 14;
    Read = 15;
    Write = 16;
    Statfs = 17;
    Release = 18;
    Fsync = 20;
    Setxattr = 21;
    Getxattr = 22;
    Listxattr = 23;
    Removexattr = 24;
    Flush = 25;
    Init = 26;
    Opendir = 27;
    Readdir = 28;
    Releasedir = 29;
    Fsyncdir = 30;
    Access = 34;
    Create = 35;
    Interrupt = 36;
    BatchForget = 42;
    Fallocate = 43;
    Rename2 = 45;
    Lseek = 46;
}

impl Opcode {
    /// Its bit in a set of those that the program does not know.
    pub const fn bit(self) -> u64 {
        1 << self as u32
    }
}
