//! Objects of System V.

mod sem_controls;
mod sem_gets;
mod sem_operations;
mod sem_status;
mod sem_waits;
mod shm_attached;
mod shm_controls;
mod shm_gets;

use super::contracts;

contracts! {
    sem_controls
    sem_gets
    sem_operations
    sem_status
    sem_waits
    shm_attached
    shm_controls
    shm_gets
}
