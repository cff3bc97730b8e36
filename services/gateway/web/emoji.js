// A small choice of emoji, with words to find them by. A server takes any.

/** Shown without opening anything. */
export const QUICK = ["👍", "❤️", "😂", "🎉", "👀", "🙏"];

const GROUPS = {
  Faces:
    "😀 grin happy|😃 smile happy|😄 laugh happy|😁 beam|😆 laugh|😅 sweat phew|😂 joy tears laugh|🤣 rofl|🙂 slight smile|😉 wink|😊 blush|😍 love eyes|🥰 love|😘 kiss|😋 yum|😎 cool|🤩 star|🤔 think hmm|🤨 doubt|😐 neutral|🙄 roll eyes|😏 smirk|😴 sleep|😌 relieved|😔 sad|😕 confused|🙁 frown|😮 wow surprised|😯 hush|😲 astonished|🥺 please|😢 cry|😭 sob|😤 huff|😠 angry|😡 rage|🤯 mind blown|😳 flushed|😱 scream|😬 grimace|🤗 hug|🤭 giggle|🤫 quiet|🫡 salute|😇 angel|🤖 robot|👻 ghost|💀 skull",
  Hands:
    "👍 yes good thumbs up|👎 no bad thumbs down|👌 ok|✌️ peace|🤞 luck|🤝 deal shake|👏 clap|🙌 hooray|🙏 thanks please|💪 strong|👋 hello wave bye|✋ stop|☝️ point up|👉 right|👈 left|👆 up|👇 down|✍️ write|🫶 heart hands|👀 eyes look",
  Hearts:
    "❤️ red heart love|🧡 orange heart|💛 yellow heart|💚 green heart|💙 blue heart|💜 purple heart|🖤 black heart|🤍 white heart|💔 broken heart|💯 hundred|✨ sparkles|⭐ star|🔥 fire|💥 boom|💡 idea",
  Things:
    "🎉 party tada|🎂 cake birthday|🎁 gift|🏆 trophy|🚀 rocket ship|✅ done check|❌ cross no|⚠️ warning|❓ question|❗ important|🔔 bell|📌 pin|📎 clip|📅 date calendar|⏰ clock|🔒 lock|🔑 key|🐛 bug|🧪 test|🛠️ tools|💻 laptop|📱 phone|☕ coffee|🍕 pizza|🍎 apple|🍺 beer|🍷 wine|🌱 plant|🌈 rainbow|☀️ sun|🌧️ rain|❄️ snow|🐱 cat|🐶 dog|🦀 crab rust|🐢 turtle slow|🦄 unicorn",
};

/** `[[group, [{emoji, words}]]]`, of what matches. */
export function emojiLike(text) {
  const wanted = text.trim().toLowerCase();
  return Object.entries(GROUPS)
    .map(([group, list]) => [
      group,
      list
        .split("|")
        .map(parted)
        .filter(({ words }) => words.includes(wanted)),
    ])
    .filter(([, list]) => list.length > 0);
}

function parted(entry) {
  const space = entry.indexOf(" ");
  return { emoji: entry.slice(0, space), words: entry.slice(space + 1) };
}
