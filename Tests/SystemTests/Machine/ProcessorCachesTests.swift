import Foundation
import System
import Testing

@Suite struct ProcessorCachesTests {
    /// The caches of a core as a folder describes them.
    private func caches(_ entries: [[String: String]]) throws -> ProcessorCaches {
        try withScratchFolder { folder in
            for (number, entry) in entries.enumerated() {
                let index = "\(folder)/index\(number)"
                try FileManager.default.createDirectory(atPath: index, withIntermediateDirectories: true)
                for (name, text) in entry { try Data("\(text)\n".utf8).write(to: URL(filePath: "\(index)/\(name)")) }
            }
            return ProcessorCaches(folder)
        }
    }

    @Test func aCoreHasItsPartOfTheThirdLevel() throws {
        let first = ["level": "1", "type": "Data", "size": "48K", "shared_cpu_map": "3"]
        let instructions = ["level": "1", "type": "Instruction", "size": "32K", "shared_cpu_map": "3"]
        let second = ["level": "2", "type": "Unified", "size": "1024K", "shared_cpu_map": "3"]
        // Eight cores of two hardware threads each.
        let third = ["level": "3", "type": "Unified", "size": "32M", "shared_cpu_map": "00000000,0000ffff"]
        let some = try caches([first, instructions, second, third])
        #expect(some.secondLevel == 1 << 20)
        #expect(some.thirdLevelShare == 4 << 20)
        #expect(some.total == 5 << 20)
        let without = try caches([first, second])
        #expect(without.secondLevel == 1 << 20)
        #expect(without.thirdLevelShare == 0)
    }

    @Test func aSystemWithoutDescriptionHasOneMebibyte() throws {
        let broken = ["level": "2", "type": "Unified", "size": "?", "shared_cpu_map": ""]
        for entries in [[], [broken], [["level": "none"]]] {
            let some = try caches(entries)
            #expect(some.secondLevel == 1 << 20)
            #expect(some.thirdLevelShare == 0)
        }
    }
}
