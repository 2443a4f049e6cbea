//! What a simulated host is made of: two sockets, four memory domains, eight cores of two hardware threads, four
//! accelerators, two network devices.

/// Where a metric is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The host.
    Node,
    /// A CPU socket.
    Socket,
    /// A NUMA domain.
    MemoryDomain,
    /// A core.
    Core,
    /// A hardware thread.
    Hwthread,
    /// A GPU.
    Accelerator,
    /// A network device of the host.
    Network,
}

impl Place {
    /// The tags of each such component, as a line has them behind the host.
    pub(super) fn tags(self) -> &'static [&'static str] {
        match self {
            Place::Node => &[",type=node"],
            Place::Socket => &[",type=socket,type-id=0", ",type=socket,type-id=1"],
            Place::MemoryDomain => &[
                ",type=memoryDomain,type-id=0",
                ",type=memoryDomain,type-id=1",
                ",type=memoryDomain,type-id=2",
                ",type=memoryDomain,type-id=3",
            ],
            Place::Core => &[
                ",type=core,type-id=0",
                ",type=core,type-id=1",
                ",type=core,type-id=2",
                ",type=core,type-id=3",
                ",type=core,type-id=4",
                ",type=core,type-id=5",
                ",type=core,type-id=6",
                ",type=core,type-id=7",
            ],
            Place::Hwthread => &[
                ",type=hwthread,type-id=0",
                ",type=hwthread,type-id=1",
                ",type=hwthread,type-id=2",
                ",type=hwthread,type-id=3",
                ",type=hwthread,type-id=4",
                ",type=hwthread,type-id=5",
                ",type=hwthread,type-id=6",
                ",type=hwthread,type-id=7",
                ",type=hwthread,type-id=8",
                ",type=hwthread,type-id=9",
                ",type=hwthread,type-id=10",
                ",type=hwthread,type-id=11",
                ",type=hwthread,type-id=12",
                ",type=hwthread,type-id=13",
                ",type=hwthread,type-id=14",
                ",type=hwthread,type-id=15",
            ],
            Place::Accelerator => &[
                ",type=accelerator,type-id=00000000:01:00.0",
                ",type=accelerator,type-id=00000000:41:00.0",
                ",type=accelerator,type-id=00000000:81:00.0",
                ",type=accelerator,type-id=00000000:C1:00.0",
            ],
            Place::Network => &[",type=node,stype=network,stype-id=eth0", ",type=node,stype=network,stype-id=eth1"],
        }
    }

    /// The part of all hardware threads that lies before a component of this kind and behind it: a job that uses
    /// half of the threads leaves the second socket alone.
    pub(super) fn span(self, component: usize) -> (f64, f64) {
        match self {
            Place::Node | Place::Accelerator | Place::Network => (0.0, 1.0),
            _ => {
                let count = self.tags().len() as f64;
                (component as f64 / count, (component + 1) as f64 / count)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_the_host() {
        for place in [Place::Socket, Place::MemoryDomain, Place::Core, Place::Hwthread] {
            let count = place.tags().len();
            assert_eq!((place.span(0).0, place.span(count - 1).1), (0.0, 1.0), "{place:?}");
            assert!((1..count).all(|i| place.span(i - 1).1 == place.span(i).0), "{place:?}");
        }
    }
}
