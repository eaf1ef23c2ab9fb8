//! Address spaces against a simple model, on the fake machine.

mod attach;
mod cases;
mod file;
mod model;
mod random;

use crate::fake::{self, Fake};
use crate::{Access, Activator, AddressSpace, FaultError, Layout, Limits, Step};
use paddock_abi::mman::Prot;

pub(crate) const RW: Prot = Prot::READ.union(Prot::WRITE);

pub(crate) fn new_space() -> AddressSpace<Fake> {
    AddressSpace::new(Layout::new(0, 8 << 20), Limits::default()).unwrap()
}

/// The processor and its kernel: accesses go through the translation cache
/// and the tables, and faults to the address space.
pub(crate) struct Cpu(Activator<1>);

impl Cpu {
    pub(crate) fn new() -> Self {
        Cpu(Activator::new(8))
    }

    pub(crate) fn load(&self, space: &mut AddressSpace<Fake>, at: u64) -> Result<u8, FaultError> {
        self.access(space, at, Access::Read, || fake::load(at))
    }

    pub(crate) fn store(
        &self,
        space: &mut AddressSpace<Fake>,
        at: u64,
        value: u8,
    ) -> Result<(), FaultError> {
        self.access(space, at, Access::Write, || fake::store(at, value))
    }

    pub(crate) fn execute(
        &self,
        space: &mut AddressSpace<Fake>,
        at: u64,
    ) -> Result<(), FaultError> {
        let needs = crate::Rights::READ | crate::Rights::EXECUTE;
        self.access(space, at, Access::Execute, || {
            fake::translate(at, needs).map(|_| ())
        })
    }

    fn access<T>(
        &self,
        space: &mut AddressSpace<Fake>,
        at: u64,
        access: Access,
        attempt: impl Fn() -> Option<T>,
    ) -> Result<T, FaultError> {
        // SAFETY: the fake CPU uses the tables only in here.
        unsafe { self.0.activate(0, Some(&**space.root())) };
        for _ in 0..3 {
            if let Some(value) = attempt() {
                return Ok(value);
            }
            if let Step::Fetch(request) = space.fault(at, access)? {
                let page = request.fetch()?;
                assert!(space.commit(&request, page)?, "nothing changed meanwhile");
            }
        }
        panic!("the fault at {at:#x} was not made good");
    }
}
