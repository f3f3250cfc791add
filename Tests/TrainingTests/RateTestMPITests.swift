import Foundation
import RunSupport
import Runs
import TestSupport
import Testing
import Training

/// The learning-rate range test trains like a run, on any number of ranks, and writes nothing. Every test is
/// collective.
@Suite(.serialized) struct RateTestMPITests {
    @Test func anyNumberOfRanksFindsTheSameCurve() throws {
        try withSharedFolder { folder in
            let range = try RateRange(first: 1e-4, last: 1e-1, steps: 30)
            // Nothing is evaluated.
            let options = try tinyRun(folder + "/run", "run.evaluate=latest", "data.test=[/nowhere/test.h5]")
            let shared = try #require(try rateTest(options, range, in: silentContext()))
            let alone = try #require(try rateTest(options, range, in: silentContext(.selfOnly)))
            #expect(shared.points.count == alone.points.count && shared.points.count > 10)
            for (a, b) in zip(shared.points, alone.points).prefix(20) {
                #expect(a.rate == b.rate && abs(a.loss! - b.loss!) < 1e-3 * b.loss!)
            }
            #expect(shared.points.last!.smoothed < shared.points[0].smoothed)
            #expect(!FileManager.default.fileExists(atPath: folder + "/run"))
        }
    }

    /// The first loss is that of the run, whose folder stays as it is, also if it has checkpoints.
    @Test func theRunFolderStaysAsItIs() throws {
        try withSharedFolder { folder in
            let options = try tinyRun(folder + "/run", "training.steps=3")
            try train(options)
            func files() throws -> [String] {
                try FileManager.default.subpathsOfDirectory(atPath: folder + "/run").sorted()
            }
            let before = try files()
            let curve = try #require(
                try rateTest(options, RateRange(first: 1e-4, last: 1e-3, steps: 20), in: silentContext()))
            #expect(try files() == before)
            let first = try MetricsTable(folder + "/run").values("train/total_loss")[0]
            #expect(abs(curve.points[0].loss! - first) < 1e-6 * first)
        }
    }

    @Test func aSignalStopsTheTest() throws {
        try withSharedFolder { folder in
            var asked = 0
            let curve = try withoutActuallyEscaping({
                asked += 1
                return world.rank == world.size - 1 && asked == 5
            }) { stop in
                try rateTest(
                    tinyRun(folder + "/run"), RateRange(first: 1e-4, last: 1e-3, steps: 20),
                    in: silentContext(stopRequested: stop))
            }
            #expect(curve == nil && asked == 5)
        }
    }

    @Test func impossibleRangesAreRefused() {
        #expect(failure { _ = try RateRange(first: 0, last: 1, steps: 50) }.contains("--from must be greater than 0"))
        #expect(failure { _ = try RateRange(first: 1, last: 1, steps: 50) }.contains("--to must be greater than"))
        #expect(failure { _ = try RateRange(first: 1, last: .infinity, steps: 50) }.contains("--to must be greater"))
        #expect(failure { _ = try RateRange(first: 1e-5, last: 1, steps: 5) }.contains("--steps must be from 20"))
    }
}
