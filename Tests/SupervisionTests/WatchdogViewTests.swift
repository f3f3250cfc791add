import RunSupport
import Supervision
import Testing

@Suite struct WatchdogViewTests {
    private func verdict(_ ranks: [RankView]) throws -> String? {
        let options = try runOptions("{data: {train: a.h5}, tasks: {kmeans: {}}}").parallel.watchdog
        let hosts = ranks.indices.map { "node\($0)" }
        return WatchdogView(ranks, hosts: hosts, options).verdict(over: ranks.indices)
    }

    private func view(_ activity: Activity, _ step: Int, age: Double, silence: Double = 0) -> RankView {
        RankView(ProgressMark(activity, step: step), age: age, silence: silence)
    }

    @Test func slowButHealthyRanksAreLeftAlone() throws {
        #expect(try verdict([view(.saving, 8, age: 1700), view(.summing, 9, age: 1700)]) == nil)
        #expect(try verdict([view(.computing, 9, age: 800), view(.summing, 9, age: 5000)]) == nil)
        #expect(try verdict([view(.startUp, 0, age: 3500), view(.startUp, 0, age: 3500, silence: 55)]) == nil)
        #expect(try verdict([view(.summing, 3, age: 901), view(.summing, 3, age: 2)]) == nil)
    }

    @Test func whoWaitsIsNotToBlame() throws {
        #expect(
            try verdict([view(.summing, 9, age: 5000), view(.reading, 9, age: 901), view(.summing, 9, age: 5000)])
                == "rank 1 on node1: no progress for 900 s in the reading of jets of step 9")
        #expect(
            try verdict([view(.validation, 9, age: 900), view(.startUp, 0, age: 3601)])
                == "rank 1 on node1: no progress for 3600 s in the start-up")
    }

    /// Ranks 0 and 2 wait for the bytes of rank 1 in a step that it has left.
    @Test func whereAllWaitTheLastIsNamed() throws {
        #expect(
            try verdict([view(.summing, 9, age: 950), view(.summing, 8, age: 990), view(.summing, 9, age: 950)])
                == "rank 1 on node1: no progress for 900 s in the sums over the ranks of step 8; "
                + "all other ranks wait too")
    }

    @Test func silenceIsNamedFirst() throws {
        let silent = view(.summing, 1041, age: 0, silence: 61)
        #expect(
            try verdict([view(.reading, 1, age: 901), view(.summing, 1042, age: 70), silent])
                == "rank 2 on node2: no sign of life for 61 s, last seen in the sums over the ranks of step 1041")
        #expect(
            try verdict([view(.summing, 1042, age: 70), silent, silent])
                == "rank 1 on node1 (and 1 other rank): no sign of life for 61 s, last seen in the sums over "
                + "the ranks of step 1041")
    }

    @Test(arguments: Activity.allCases)
    func aBoardTellsWhatWasWrittenLast(activity: Activity) {
        let board = ProgressBoard()
        board.enter(.reading, step: 1_000_000_000)
        let before = board.mark
        board.enter(activity)
        #expect(board.mark.activity == activity && board.mark.step == 1_000_000_000)
        let after = board.mark
        board.enter(activity)
        #expect(board.mark != after && after != before)
        // The number that tells marks apart comes round.
        for _ in 0..<70_000 { board.enter(activity) }
        #expect(board.mark.activity == activity && board.mark.step == 1_000_000_000)
    }
}
