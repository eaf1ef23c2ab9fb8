//! Message queues of System V.

use paddock_ipc::msg::Queues;

/// All queues.
pub static QUEUES: Queues = Queues::new();
