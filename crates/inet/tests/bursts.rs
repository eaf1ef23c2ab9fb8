//! Many at once: nothing is dropped that has to be sent again.

mod common;

use common::*;
use paddock_inet::Settings;

const PLAIN: Wire = Wire {
    loss: 0,
    doubled: 0,
    late: 0,
    delay: MS,
    burst: 16,
};

/// Of a burst from elsewhere nothing is dropped, whatever the backlog.
#[test]
fn a_burst_from_a_wire_is_taken() {
    let mut network = Network::new(6, PLAIN);
    let (listener, _) = network.listen(80, 1, Settings::default());
    for _ in 0..250 {
        network.connect(80, Settings::default());
    }
    network.pass(100 * MS);
    let accepted = (0..500).filter(|_| network.accept(listener).is_ok());
    assert_eq!(accepted.count(), 250, "none had to try again");
}
