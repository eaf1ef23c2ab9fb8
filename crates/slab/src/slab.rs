//! [`Slab`]: one frame of objects; [`Slabs`]: those of one class.

use crate::FRAME_SIZE;
use crate::class;
use core::ptr::NonNull;

/// Bytes of a slab in which objects lie; its header follows.
pub const USABLE: usize = FRAME_SIZE - size_of::<Header>();

/// What a header that is one begins with.
const MAGIC: u32 = 0x51ab_51ab;
/// No object.
const NONE: u16 = u16::MAX;

/// Lies at the end of the frame.
#[repr(C, align(8))]
struct Header {
    magic: u32,
    class: u16,
    /// Objects in use.
    used: u16,
    /// The first object that was in use and is free; each names the next in
    /// its first two bytes.
    free: u16,
    /// Objects from this one on have never been in use.
    fresh: u16,
    /// Neighbours in the list of slabs with free objects.
    previous: Option<Slab>,
    next: Option<Slab>,
}

/// A frame that is a slab. Whoever has one also holds its class's lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Slab(NonNull<u8>);

// SAFETY: only touched with the lock of its class held.
unsafe impl Send for Slab {}

impl Slab {
    /// Makes a slab without objects of a frame.
    ///
    /// # Safety
    /// The frame is the caller's, whole, and becomes the slab's.
    pub unsafe fn create(frame: NonNull<u8>, class: usize) -> Slab {
        let slab = Slab(frame);
        let header = Header {
            magic: MAGIC,
            class: class as u16,
            used: 0,
            free: NONE,
            fresh: 0,
            previous: None,
            next: None,
        };
        // SAFETY: the header lies at the end of the frame, aligned.
        unsafe { slab.header_pointer().write(header) };
        slab
    }

    fn header_pointer(self) -> NonNull<Header> {
        // SAFETY: within the frame.
        unsafe { self.0.add(USABLE).cast() }
    }

    fn header(&mut self) -> &mut Header {
        // SAFETY: a slab's header is initialised and, under the class's lock,
        // the holder's alone.
        unsafe { self.header_pointer().as_mut() }
    }

    /// The slab of an object.
    ///
    /// # Safety
    /// The object is one of a slab.
    unsafe fn of(object: NonNull<u8>) -> Slab {
        let offset = object.as_ptr().addr() % FRAME_SIZE;
        // SAFETY: the frame's start is in the same allocation.
        Slab(unsafe { object.sub(offset) })
    }

    fn object(self, index: u16, size: usize) -> NonNull<u8> {
        // SAFETY: callers give an index below the slab's capacity.
        unsafe { self.0.add(usize::from(index) * size) }
    }

    /// An object, if one is free.
    fn allocate(&mut self, capacity: u16, size: usize) -> Option<NonNull<u8>> {
        let slab = *self;
        let header = self.header();
        let index = match header.free {
            NONE if header.fresh == capacity => return None,
            NONE => {
                header.fresh += 1;
                header.fresh - 1
            }
            index => {
                // SAFETY: a free object's first two bytes name the next.
                header.free = unsafe { slab.object(index, size).cast().read() };
                index
            }
        };
        header.used += 1;
        Some(slab.object(index, size))
    }
}

/// The slabs of one class. Those that are full are in no list.
pub struct Slabs {
    /// Slabs with both used and free objects.
    partial: Option<Slab>,
    /// A slab without objects, kept so that an object that comes and goes
    /// does not cost a frame each time.
    spare: Option<Slab>,
    frames: usize,
    objects: usize,
}

impl Slabs {
    pub const fn new() -> Self {
        Slabs {
            partial: None,
            spare: None,
            frames: 0,
            objects: 0,
        }
    }

    /// (frames, objects in use).
    pub fn counts(&self) -> (usize, usize) {
        (self.frames, self.objects)
    }

    /// An object from a slab that there is.
    pub fn allocate(&mut self) -> Option<NonNull<u8>> {
        if self.partial.is_none() {
            let spare = self.spare.take()?;
            self.link(spare);
        }
        let mut slab = self.partial?;
        let class = usize::from(slab.header().class);
        let (capacity, size) = shape(class);
        let object = slab.allocate(capacity, size);
        if slab.header().used == capacity {
            self.unlink(slab);
        }
        self.objects += usize::from(object.is_some());
        object
    }

    /// Adds a new slab and takes an object of it.
    pub fn add(&mut self, mut slab: Slab) -> NonNull<u8> {
        let (capacity, size) = shape(usize::from(slab.header().class));
        self.frames += 1;
        self.objects += 1;
        self.link(slab);
        match slab.allocate(capacity, size) {
            Some(object) => object,
            None => unreachable!("a new slab holds at least two objects"),
        }
    }

    /// Takes an object back; gives a slab's frame back that is not needed any
    /// more.
    ///
    /// # Safety
    /// The object is in use and one of these slabs'.
    ///
    /// # Panics
    /// If it is not: memory is corrupted then.
    pub unsafe fn free(&mut self, object: NonNull<u8>) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise.
        let mut slab = unsafe { Slab::of(object) };
        let offset = object.as_ptr().addr() % FRAME_SIZE;
        let header = slab.header();
        assert!(header.magic == MAGIC, "freed what is not of the heap");
        let (capacity, size) = shape(usize::from(header.class));
        let index = (offset / size) as u16;
        assert!(
            offset.is_multiple_of(size) && index < header.fresh && header.used > 0,
            "freed what is not in use"
        );
        let was_full = header.used == capacity;
        // SAFETY: the object is free now, and at least two bytes long.
        unsafe { object.cast().write(header.free) };
        header.free = index;
        header.used -= 1;
        let is_empty = header.used == 0;
        self.objects -= 1;
        if was_full {
            self.link(slab);
        }
        if is_empty { self.retire(slab) } else { None }
    }

    /// Keeps an empty slab as the spare one, or gives its frame back.
    fn retire(&mut self, slab: Slab) -> Option<NonNull<u8>> {
        self.unlink(slab);
        if self.spare.is_none() {
            self.spare = Some(slab);
            return None;
        }
        self.frames -= 1;
        Some(slab.0)
    }

    /// Gives the frame of the spare slab back, if there is one.
    pub fn take_spare(&mut self) -> Option<NonNull<u8>> {
        let slab = self.spare.take()?;
        self.frames -= 1;
        Some(slab.0)
    }

    fn link(&mut self, mut slab: Slab) {
        let old = self.partial.replace(slab);
        if let Some(mut old) = old {
            old.header().previous = Some(slab);
        }
        let header = slab.header();
        (header.previous, header.next) = (None, old);
    }

    fn unlink(&mut self, mut slab: Slab) {
        let Header { previous, next, .. } = *slab.header();
        match previous {
            Some(mut previous) => previous.header().next = next,
            None => self.partial = next,
        }
        if let Some(mut next) = next {
            next.header().previous = previous;
        }
    }
}

/// How many objects a slab of a class has, and of how many bytes.
#[inline]
fn shape(class: usize) -> (u16, usize) {
    let size = class::size(class);
    ((USABLE / size) as u16, size)
}
