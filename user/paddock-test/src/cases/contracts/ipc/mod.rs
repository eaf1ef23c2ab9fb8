//! Objects of System V.

mod sem_controls;
mod sem_gets;
mod sem_operations;
mod sem_waits;
mod shm_attached;
mod shm_controls;
mod shm_gets;

use super::contracts;

contracts! {
    sem_controls
    sem_gets
    sem_operations
    sem_waits
    shm_attached
    shm_controls
    shm_gets
}
