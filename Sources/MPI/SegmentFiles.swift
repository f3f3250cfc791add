import Foundation
import System

/// The files in `/dev/shm` through which the ranks of a host exchange messages in Open MPI.
///
/// Open MPI removes them in `MPI_Finalize`, and leaves them behind when mpirun is killed. All ranks of the host have
/// mapped them when MPI has started, so that their names can be removed at once. `MPI_Finalize` complains about missing
/// files: it finds empty ones.
package struct SegmentFiles {
    package let paths: [String]

    /// The files that a process has mapped, by default this one.
    ///
    /// - Parameter maps: the text of `/proc/self/maps`.
    package init(maps: String = systemText("/proc/self/maps") ?? "") {
        paths = Set(maps.split(separator: "\n").compactMap(Self.path)).filter { !$0.hasSuffix(" (deleted)") }.sorted()
    }

    /// The path of a mapped segment, with ` (deleted)` if it was removed; nil for other mappings.
    ///
    /// The names are `vader_segment.<host>.<uid>.<job>.<rank>` in Open MPI 4 and `sm_segment.…` in Open MPI 5.
    package static func path(in line: Substring) -> String? {
        guard let start = line.firstIndex(of: "/"), line.contains(/\/(vader|sm)_segment\./) else { return nil }
        return String(line[start...])
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
