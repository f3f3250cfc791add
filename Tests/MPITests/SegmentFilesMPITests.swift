import System
import Testing

/// The messages of ranks on one host go through mapped files of Open MPI, whose names are removed at the start: nothing
/// is left in `/dev/shm` when a job is killed.
@Suite struct SegmentFilesMPITests {
    @Test func mappedFilesHaveNoNames() throws {
        try world.barrier()
        let maps = try #require(systemText("/proc/self/maps"))
        let segments = maps.split(separator: "\n").filter { $0.contains("/vader_segment.") }
        #expect(segments.allSatisfy { $0.hasSuffix(" (deleted)") })
        #expect(world.size == 1 || segments.count >= world.size)
    }
}
