
const { _id, ...job } = await jobs.findOne({ queue: 'greetings' });
for (const [field, value] of [['priority', 'high'], ['due', 0], ['state', 'someday']]) {
  try {
    await jobs.insertOne({ ...job, [field]: value });
  } catch (refused) {
    const rules = JSON.stringify(refused.errInfo?.details ?? String(refused));
    if (!rules.includes(`"${field}"`)) throw new Error(rules);
    console.log('refused:', field);
  }
}

const whole = { promoteLongs: false };
const document = await jobs.findOne({ _id: 'document' }, whole);
const { text, large, half } = document.payload;
console.log('document', document.state, document.priority, text, String(large), half);
const data = await jobs.findOne({ _id: 'bytes' });
console.log('bytes', data.state, data.content_type, data.payload.toString('hex'));
const dead = await jobs.findOne({ _id: 'dead' });
console.log('dead', dead.state, dead.errors[0].message, dead.errors[0].code);
await client.close();
