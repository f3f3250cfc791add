import RunSupport
import Supervision
import Testing

@Suite struct HangDetectorTests {
    private func verdict(_ ranks: [RankStatus]) throws -> String? {
        let options = try runOptions("{data: {train: a.h5}, tasks: {kmeans: {}}}").parallel.watchdog
        let hosts = ranks.indices.map { "node\($0)" }
        return HangDetector(ranks, hosts: hosts, options).verdict(over: ranks.indices)
    }

    private func status(_ activity: Activity, _ step: Int, age: Double, silence: Double = 0) -> RankStatus {
        RankStatus(RankProgress(activity, step: step), age: age, silence: silence)
    }

    @Test func slowButHealthyRanksAreLeftAlone() throws {
        #expect(try verdict([status(.saving, 8, age: 1700), status(.summing, 9, age: 1700)]) == nil)
        #expect(try verdict([status(.computing, 9, age: 800), status(.summing, 9, age: 5000)]) == nil)
        #expect(try verdict([status(.startUp, 0, age: 3500), status(.startUp, 0, age: 3500, silence: 55)]) == nil)
        #expect(try verdict([status(.summing, 3, age: 901), status(.summing, 3, age: 2)]) == nil)
    }

    @Test func ranksThatWaitAreNotNamed() throws {
        #expect(
            try verdict([status(.summing, 9, age: 5000), status(.reading, 9, age: 901), status(.summing, 9, age: 5000)])
                == "rank 1 on node1: no progress for 900 s in the reading of jets of step 9")
        #expect(
            try verdict([status(.validation, 9, age: 900), status(.startUp, 0, age: 3601)])
                == "rank 1 on node1: no progress for 3600 s in the start-up")
    }

    /// Ranks 0 and 2 wait for the bytes of rank 1 in a step that it has left.
    @Test func theLastIsNamedIfAllWait() throws {
        #expect(
            try verdict([status(.summing, 9, age: 950), status(.summing, 8, age: 990), status(.summing, 9, age: 950)])
                == "rank 1 on node1: no progress for 900 s in the sums over the ranks of step 8; "
                + "all other ranks wait too")
    }

    @Test func silenceIsNamedFirst() throws {
        let silent = status(.summing, 1041, age: 0, silence: 61)
        #expect(
            try verdict([status(.reading, 1, age: 901), status(.summing, 1042, age: 70), silent])
                == "rank 2 on node2: no sign of life for 61 s, last seen in the sums over the ranks of step 1041")
        #expect(
            try verdict([status(.summing, 1042, age: 70), silent, silent])
                == "rank 1 on node1 (and 1 other rank): no sign of life for 61 s, last seen in the sums over "
                + "the ranks of step 1041")
    }

    @Test(arguments: Activity.allCases)
    func aTrackerReturnsTheLastProgress(activity: Activity) {
        let tracker = ProgressTracker()
        tracker.enter(.reading, step: 1_000_000_000)
        let before = tracker.current
        tracker.enter(activity)
        #expect(tracker.current.activity == activity && tracker.current.step == 1_000_000_000)
        let after = tracker.current
        tracker.enter(activity)
        #expect(tracker.current != after && after != before)
        // The counter wraps around.
        for _ in 0..<70_000 { tracker.enter(activity) }
        #expect(tracker.current.activity == activity && tracker.current.step == 1_000_000_000)
    }
}
