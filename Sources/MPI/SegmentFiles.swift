import Foundation
import System

/// The files in `/dev/shm` through which the ranks of a host exchange messages in Open MPI.
///
/// Open MPI removes them in `MPI_Finalize`, and leaves them behind when mpirun is killed. All ranks of the host have
/// mapped them when MPI has started, so that their names can be removed at once. `MPI_Finalize` complains about missing
/// files: it finds empty ones.
struct SegmentFiles {
    private let paths: [String]

    /// The files that this process has mapped.
    init() {
        let maps = systemText("/proc/self/maps") ?? ""
        let names = maps.split(separator: "\n").compactMap { line -> String? in
            guard let start = line.firstIndex(of: "/"), line.contains("/vader_segment.") else { return nil }
            return String(line[start...])
        }
        paths = Set(names).filter { !$0.hasSuffix(" (deleted)") }.sorted()
    }

    /// Removes the names; the memory stays mapped. To be called when all ranks have started.
    func remove() {
        for path in paths { unlink(path) }
    }

    /// Creates empty files of these names.
    func restore() {
        for path in paths { close(open(path, O_CREAT | O_WRONLY, 0o600)) }
    }
}
