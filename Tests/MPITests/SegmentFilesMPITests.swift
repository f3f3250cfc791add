import MPI
import System
import Testing

/// The messages of ranks on one host go through mapped files of Open MPI, whose names are removed at the start: nothing
/// is left in `/dev/shm` when a job is killed.
@Suite struct SegmentFilesMPITests {
    @Test func mappedFilesHaveNoNames() throws {
        try world.barrier()
        let maps = try #require(systemText("/proc/self/maps"))
        let segments = maps.split(separator: "\n").compactMap(SegmentFiles.path)
        #expect(segments.allSatisfy { $0.hasSuffix(" (deleted)") })
        #expect(world.size == 1 || segments.count >= world.size)
    }

    /// Those of Open MPI 4 and 5, each once, without other files and without those whose names are gone.
    @Test func namesOfBothVersions() {
        let maps = """
            7f10-7f20 rw-s 00000000 00:17 11    /dev/shm/vader_segment.node7.0.5a310001.1
            7f20-7f30 rw-s 00400000 00:17 11    /dev/shm/vader_segment.node7.0.5a310001.1
            7f30-7f40 rw-s 00000000 00:17 12    /dev/shm/sm_segment.node7.0.5a310001.0
            7f40-7f50 rw-s 00000000 00:17 13    /dev/shm/sm_segment.node7.0.5a310001.2 (deleted)
            7f50-7f60 rw-s 00000000 00:17 14    /dev/shm/other_sm_segment.node7
            7f60-7f70 r-xp 00000000 08:01 15    /usr/lib/libmpi.so.40
            7f70-7f80 rw-p 00000000 00:00 0
            """
        #expect(
            SegmentFiles(maps: maps).paths
                == ["/dev/shm/sm_segment.node7.0.5a310001.0", "/dev/shm/vader_segment.node7.0.5a310001.1"])
    }
}
