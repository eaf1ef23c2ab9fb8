//! What threads know of the programs that they run: the side of a thread that the
//! module of processes has.

use super::Thread;
use crate::memory::frames::Reserve;
use core::any::TypeId;
use core::ptr;
use core::sync::atomic::Ordering;

/// The side of a thread that is a program's.
///
/// # Safety
/// One type of the kernel implements it, and no other.
pub unsafe trait UserSide: Send + Sync + 'static {
    /// To where it may use memory up.
    fn reserve(&self) -> Reserve;
    /// Whether it runs before other programs, for a share of a CPU.
    fn is_operators(&self) -> bool;
    /// It has run for `nanos`. Interrupts are masked.
    fn ran(&self, nanos: u64);
    /// Until when (ns since boot) it may run from `now` on until it is asked how much
    /// it has. Interrupts are masked.
    fn look_at(&self, now: u64) -> u64;
    /// It is about to run on this CPU. Interrupts are masked.
    fn switch_in(&self);
    /// It has run on this CPU; a program's thread follows, or none. Interrupts are
    /// masked.
    fn switch_out(&self, program_follows: bool);
    /// Its type, for checks.
    fn type_id(&self) -> TypeId {
        TypeId::of::<Self>()
    }
}

impl Thread {
    /// The program's side, of the one type that there is; `None` for a thread of the
    /// kernel.
    #[inline]
    pub fn user_side<T: UserSide>(&self) -> Option<&T> {
        let side = self.user.as_deref()?;
        debug_assert!(side.type_id() == TypeId::of::<T>(), "two types of programs");
        // SAFETY: only one type has the trait, which is `T`.
        Some(unsafe { &*core::ptr::from_ref(side).cast() })
    }

    /// The same; `None` also for one whose system calls are looked at first.
    #[inline]
    pub fn unwatched_side<T: UserSide>(&self) -> Option<&T> {
        let side = self.unwatched.load(Ordering::Relaxed).cast::<T>();
        // SAFETY: null, or what `user` owns as long as the thread lives, and of the
        // only type that has the trait.
        unsafe { side.as_ref() }
    }

    /// Has each system call from now on looked at before it is made.
    pub fn watch_calls(&self) {
        self.unwatched.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// Ends that.
    pub fn unwatch_calls(&self) {
        let data = |user: &dyn UserSide| ptr::from_ref(user).cast::<()>();
        let side = self.user.as_deref().map_or(ptr::null(), data);
        self.unwatched.store(side.cast_mut(), Ordering::Relaxed);
    }
}
