//! What every program finds in its memory (vdso(7)): a page of code that tells
//! the time, and before it a page with what that code has to know.

use super::hardware::{Arm, Page, zeroed_page};
use super::memory::FixedPage;
use crate::arch::vdso;
use crate::time::{self, UserClock};
use alloc::sync::Arc;
use paddock_abi::mman::{MapFlags, Prot};
use paddock_abi::{Errno, Result};
use paddock_mem::{AddressSpace, MapRequest, MapSource, PAGE_SIZE, Purpose};
use paddock_sync::{OnceCell, try_arc};

struct Pages {
    data: Arc<FixedPage>,
    code: Arc<FixedPage>,
}

static PAGES: OnceCell<Pages> = OnceCell::new();

/// Makes the pages that all programs share. Once, at boot.
pub fn init() {
    match pages() {
        Ok(pages) => {
            let _ = PAGES.set(pages);
        }
        Err(_) => panic!("no memory for the vdso"),
    }
}

fn pages() -> Result<Pages> {
    let (data, code) = (zeroed_page(Purpose::Common)?, zeroed_page(Purpose::Common)?);
    code.write(0, vdso::image());
    time::share_with_users(clock_in(&data));
    // The pages live as long as the kernel, and so does the clock in one.
    Ok(Pages {
        data: try_arc(FixedPage::new(data, "[vvar]"))?,
        code: try_arc(FixedPage::new(code, "[vdso]"))?,
    })
}

/// The clock at the beginning of a page that is never freed.
fn clock_in(page: &Page) -> &'static UserClock {
    // SAFETY: zeros are a clock, a page is large enough and aligned, the static
    // keeps it for ever, and only atomics change it.
    unsafe { &*page.pointer().cast::<UserClock>() }
}

/// Where it is in a program's memory.
#[derive(Clone, Copy)]
pub struct Mapped {
    /// The shared object (`AT_SYSINFO_EHDR`).
    pub object: u64,
    /// The code that calls rt_sigreturn(2).
    pub sigreturn: u64,
}

/// Maps both pages where there is room. `ENOMEM`.
pub fn map(space: &mut AddressSpace<Arm>) -> Result<Mapped> {
    let pages = PAGES.get().ok_or(Errno::ENOMEM)?;
    let start = space.free_range(2 * PAGE_SIZE)?;
    let object = start + PAGE_SIZE;
    map_page(space, start, &pages.data, Prot::READ)?;
    map_page(space, object, &pages.code, Prot::READ | Prot::EXEC)?;
    Ok(Mapped {
        object,
        sigreturn: object + vdso::sigreturn_offset() as u64,
    })
}

fn map_page(
    space: &mut AddressSpace<Arm>,
    address: u64,
    page: &Arc<FixedPage>,
    prot: Prot,
) -> Result<()> {
    let source: Arc<dyn MapSource<Arm>> = page.clone();
    space.map(&MapRequest {
        address,
        length: PAGE_SIZE,
        prot,
        flags: MapFlags::SHARED | MapFlags::FIXED_NOREPLACE,
        source: Some((source, 0)),
        may: prot,
    })?;
    Ok(())
}
