import Glibc
import Supervision
import Testing

@Suite struct LaunchTests {
    private static func limit() -> rlimit {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return limit
    }

    /// The limit rises as far as the system permits, and never falls.
    @Test func manyFilesMayBeOpen() async {
        await #expect(processExitsWith: .success) {
            let most = Self.limit().rlim_max
            var few = rlimit(rlim_cur: 128, rlim_max: most)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &few)
            Launch.raiseLimitOfOpenFiles()
            #expect(Self.limit().rlim_cur == min(most, 65_536))
            Launch.raiseLimitOfOpenFiles()
            #expect(Self.limit().rlim_cur == min(most, 65_536))
        }
    }
}
