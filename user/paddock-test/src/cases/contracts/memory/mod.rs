//! Memory of processes.

mod advice_errors;
mod breaks;
mod data_limits;
mod dontneeds;
mod file_ends;
mod fork_advice;
mod grows_down;
mod locked;
mod mapped_rights;
mod maps_parted;
mod memfd_names;
mod memfd_seals;
mod mmaps;
mod mprotects;
mod mremaps;
mod policies;
mod protected;
mod remaps_kept;
mod remaps_moved;
mod residents;
mod syncs;
mod unmapped;

use super::contracts;

contracts! {
    advice_errors
    breaks
    data_limits
    dontneeds
    file_ends
    fork_advice
    grows_down
    locked
    mapped_rights
    maps_parted
    memfd_names
    memfd_seals
    mmaps
    mprotects
    mremaps
    policies
    protected
    remaps_kept
    remaps_moved
    residents
    syncs
    unmapped
}
