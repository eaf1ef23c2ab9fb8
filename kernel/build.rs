//! Hands the linker its script.

fn main() {
    println!("cargo::rerun-if-changed=kernel.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
        println!("cargo::rustc-link-arg-bins=-T{folder}/kernel.ld");
        println!("cargo::rustc-link-arg-bins=-zmax-page-size=4096");
        // Functions and tables that are the same, byte for byte, are there once.
        println!("cargo::rustc-link-arg-bins=--icf=all");
    }
}
