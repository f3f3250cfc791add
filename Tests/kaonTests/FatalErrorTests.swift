import Foundation
import Testing

/// A failure that is not thrown ends the whole job with one message, in release builds too.
@Suite(.serialized) struct FatalErrorTests {
    private static let program = URL(fileURLWithPath: KaonProcess.program).deletingLastPathComponent()
        .appendingPathComponent("fatal").path

    private func fail(_ kind: String, rank: Int, of ranks: Int?) throws -> KaonProcess.Outcome {
        let mpirun = ranks.map { ["mpirun", "--oversubscribe", "-n", "\($0)"] } ?? []
        return try KaonProcess(command: mpirun + [Self.program, kind, "\(rank)"]).outcome(limit: 60)
    }

    @Test(arguments: ["invariant", "thread"], [(0, nil), (0, 2), (1, 2)] as [(Int, Int?)])
    func aBrokenInvariantNamesItsPlace(kind: String, job: (rank: Int, ranks: Int?)) throws {
        let outcome = try fail(kind, rank: job.rank, of: job.ranks)
        #expect(outcome.code == 1 && outcome.seconds < 30)
        #expect(outcome.output == "\(job.ranks ?? 1) ranks\n")
        try #require(outcome.complaints.count == 1, "\(outcome.errors)")
        let sentence =
            #/Error: rank (\d) on \S+: internal error: the batch has 12 jets \(fatal/\S+:\d+\); please report it/#
        let match = try #require(outcome.complaints[0].wholeMatch(of: sentence), "\(outcome.errors)")
        #expect(match.1 == "\(job.rank)")
    }

    @Test(arguments: [nil, 2])
    func exhaustedMemoryIsReported(ranks: Int?) throws {
        let outcome = try fail("memory", rank: 0, of: ranks)
        #expect(outcome.code == 1 && outcome.complaints.count == 1, "\(outcome.errors)")
        let sentence = #/Error: rank 0 on \S+: out of memory: the system refused 140737488\.4 MB for a tensor/#
        #expect(outcome.complaints.first?.wholeMatch(of: sentence) != nil, "\(outcome.errors)")
    }
}
