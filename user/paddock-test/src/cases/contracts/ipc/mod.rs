//! Objects of System V, and message queues of POSIX.

mod mq_messages;
mod mq_notes;
mod mq_opens;
mod msg_copies;
mod msg_gets;
mod msg_kinds;
mod msg_limits;
mod msg_waits;
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
    mq_messages
    mq_notes
    mq_opens
    msg_copies
    msg_gets
    msg_kinds
    msg_limits
    msg_waits
    sem_controls
    sem_gets
    sem_operations
    sem_status
    sem_waits
    shm_attached
    shm_controls
    shm_gets
}
