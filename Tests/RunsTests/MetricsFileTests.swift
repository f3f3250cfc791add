import Foundation
import Runs
import TestSupport
import Testing

@Suite struct MetricsFileTests {
    private func row(_ step: Int) -> MetricsRow {
        MetricsRow(
            step: step, epoch: 0, jets: step * 10,
            train: .init(
                losses: [Double(step) / 3, 2], learningRate: 1e-3, gradientNorm: 0.5, jetsPerSecond: 123.456,
                dataWait: 1.5))
    }

    private func lines(_ path: String) throws -> [String] {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.hasSuffix("\n"))
        return text.split(separator: "\n").map(String.init)
    }

    @Test func rowsHaveTheColumnsOfTheHeader() throws {
        try withScratchFolder { folder in
            let path = folder + "/metrics.csv"
            let file = try MetricsFile(path: path, columns: ["total_loss", "kmeans_loss"], keeping: 0, upTo: .max)
            try file.write(row(1))
            try file.write(MetricsRow(step: 2, epoch: 1, jets: 20, validation: [0.25, 0.125]))
            var both = row(3)
            both.validation = [1, -.nan]
            try file.write(both)
            try file.synchronize()
            #expect(
                try lines(path) == [
                    "step,epoch,jets,train/total_loss,train/kmeans_loss,valid/total_loss,valid/kmeans_loss,"
                        + "learning_rate,gradient_norm,skipped_steps,jets_per_second,data_wait_ms",
                    "1,0,10,0.3333333333333333,2.0,,,0.001,0.5,0,123.5,1.50",
                    "2,1,20,,,0.25,0.125,,,,,",
                    "3,0,30,1.0,2.0,1.0,nan,0.001,0.5,0,123.5,1.50",
                ])
        }
    }

    /// A run that is killed after its checkpoint wrote rows that the resumed run writes again.
    @Test(arguments: [0, 1, 3, 5, 9])
    func rowsAfterTheResumedStepGo(kept: Int) throws {
        try withScratchFolder { folder in
            let path = folder + "/metrics.csv"
            do {
                let file = try MetricsFile(path: path, columns: ["total_loss", "kmeans_loss"], keeping: 0, upTo: .max)
                for step in 1...5 { try file.write(row(step)) }
            }
            let before = try lines(path)
            let file = try MetricsFile(path: path, columns: ["total_loss", "kmeans_loss"], keeping: kept, upTo: .max)
            #expect(try lines(path) == Array(before.prefix(1 + kept)))
            #expect(file.kept.map { $0[0] } == (1...5).prefix(kept).map { "\($0)" })
            #expect(file.firstGone == (kept < 5 ? kept + 1 : nil))
            try file.write(row(7))
            #expect(try lines(path).count == 2 + min(kept, 5))
            #expect(try lines(path).last?.hasPrefix("7,0,70,") == true)
        }
    }

    @Test func aLineThatWasCutShortGoes() throws {
        try withScratchFolder { folder in
            let path = folder + "/metrics.csv"
            do {
                let file = try MetricsFile(path: path, columns: ["total_loss", "kmeans_loss"], keeping: 0, upTo: .max)
                for step in 1...2 { try file.write(row(step)) }
            }
            let whole = try String(contentsOfFile: path, encoding: .utf8)
            try (whole + "3,0,3").write(toFile: path, atomically: false, encoding: .utf8)
            _ = try MetricsFile(path: path, columns: ["total_loss", "kmeans_loss"], keeping: 3, upTo: .max)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == whole)
        }
    }

    /// A byte that is no text, a line without its end, lines that are gone: what else is there stays.
    @Test func damagedRowsDoNotTakeTheOthersAlong() throws {
        try withScratchFolder { folder in
            let path = folder + "/metrics.csv"
            do {
                let file = try MetricsFile(path: path, columns: ["total_loss", "kmeans_loss"], keeping: 0, upTo: .max)
                for step in 1...6 { try file.write(row(step)) }
            }
            let whole = try String(contentsOfFile: path, encoding: .utf8)
            func steps(_ change: (inout [UInt8]) -> Void) throws -> (kept: [String], missing: Int) {
                var bytes = Array(whole.utf8)
                change(&bytes)
                try Data(bytes).write(to: URL(fileURLWithPath: path))
                let file = try MetricsFile(path: path, columns: ["total_loss", "kmeans_loss"], keeping: 5, upTo: 5)
                #expect(try lines(path).count == 1 + file.kept.count)
                return (file.kept.map { $0[0] }, file.missing)
            }
            let breaks = whole.utf8.enumerated().filter { $0.element == UInt8(ascii: "\n") }.map(\.offset)
            #expect(try steps { $0[breaks[2] - 2] ^= 0x80 } == (["1", "2", "3", "4", "5"], 0))
            #expect(try steps { $0[breaks[2]] ^= 0x80 } == (["1", "4", "5"], 2))
            #expect(try steps { $0[breaks[2] + 1] ^= 0x80 } == (["1", "2", "4", "5"], 1))
            #expect(try steps { $0.removeSubrange(breaks[1]..<breaks[3]) } == (["1", "4", "5"], 2))
        }
    }

    @Test func otherColumnsAreRefused() throws {
        try withScratchFolder { folder in
            let path = folder + "/metrics.csv"
            try MetricsFile(path: path, columns: ["total_loss", "kmeans_loss"], keeping: 0, upTo: .max).write(row(1))
            let before = try lines(path)
            #expect(
                failure {
                    _ = try MetricsFile(path: path, columns: ["total_loss", "regression_loss"], keeping: 1, upTo: .max)
                }
                    == "\(path) has other columns than this run; give the run a directory of its own")
            #expect(try lines(path) == before)
            // A run that starts anew owns the file.
            _ = try MetricsFile(path: path, columns: ["total_loss", "regression_loss"], keeping: 0, upTo: .max)
            #expect(try lines(path).count == 1)
        }
    }

    @Test func aPlaceThatCannotBeWrittenToIsNamed() {
        let complaint = failure {
            _ = try MetricsFile(path: "/proc/kaon/metrics.csv", columns: ["total_loss"], keeping: 0, upTo: .max)
        }
        #expect(complaint.hasPrefix("cannot write /proc/kaon/metrics.csv: there is no folder /proc/kaon; create it"))
    }
}
